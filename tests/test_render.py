"""Pictures of depth: hand-computed colours, one scale for all panels, and sizes that a codec accepts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_anything_ros.render import (
    BEYOND_RGB,
    NO_DEPTH_RGB,
    TOO_NEAR_RGB,
    DepthScale,
    Picture,
    colourise_depth,
    colourise_error,
    contact_sheet,
    side_by_side,
)


def turbo(level: int) -> list[int]:
    return cv2.applyColorMap(np.uint8([[level]]), cv2.COLORMAP_TURBO)[0, 0, ::-1].tolist()


def picture(height: int = 60, width: int = 90, *, reference: bool = False, title: str = "frame 0") -> Picture:
    depth = np.linspace(1, 5, height * width, dtype=np.float32).reshape(height, width)
    image = np.full((height, width, 3), 90, np.uint8)
    return Picture.shrink(title, image, depth, depth * 1.1 if reference else None)


def test_near_is_red_far_is_blue_and_no_depth_has_its_own_colours() -> None:
    depth = np.float32([[1.0, 5.0, 3.0, 0.2, 9.0, np.nan, np.inf, -np.inf]])
    rgb = colourise_depth(depth, DepthScale(1.0, 5.0))[0].tolist()
    assert rgb[0] == turbo(255) == rgb[3]  # the near end, and nearer
    assert rgb[1] == turbo(0) == rgb[4]  # the far end, and further
    assert rgb[2] == turbo(127)
    assert rgb[5:] == [list(NO_DEPTH_RGB), list(BEYOND_RGB), list(TOO_NEAR_RGB)]
    assert rgb[0][0] > rgb[0][2]  # red over blue
    assert rgb[1][2] > rgb[1][0]


def test_error_is_white_where_right_red_where_too_far_blue_where_too_near() -> None:
    reference = np.float32([[2.0, 2.0, 2.0, np.nan, 2.0, 0.0]])
    depth = np.float32([[2.0, 2.6, 1.4, 2.0, np.inf, 2.0]])
    rgb = colourise_error(depth, reference)[0].astype(int)
    assert rgb[0].min() > 250
    assert rgb[1, 0] > rgb[1, 2] + 100
    assert rgb[2, 2] > rgb[2, 0] + 100
    assert (rgb[3:] == NO_DEPTH_RGB).all()


def test_scale_holds_nearly_all_values_and_is_neat() -> None:
    rng = np.random.default_rng(0)
    depth = rng.uniform(1.13, 4.87, (50, 50)).astype(np.float32)
    depth[0] = [np.nan, np.inf, -np.inf, 4000.0, *([2.0] * 46)]
    scale = DepthScale.of([depth])
    assert 0.9 <= scale.near_m <= 1.2
    assert 4.7 <= scale.far_m <= 5.5
    assert DepthScale.of([depth], headroom=1.25).far_m > scale.far_m


@pytest.mark.parametrize("depths", [[], [np.full((3, 3), np.nan, np.float32)], [np.full((3, 3), 2.0, np.float32)]])
def test_scale_of_nothing_or_of_one_value_is_still_a_scale(depths: list[np.ndarray]) -> None:
    scale = DepthScale.of(depths)
    assert scale.near_m < scale.far_m
    for depth in depths:
        assert colourise_depth(depth, scale).shape == (3, 3, 3)


def test_prediction_and_reference_share_one_scale() -> None:
    depth = np.linspace(1, 5, 5400, dtype=np.float32).reshape(60, 90)
    panels = dict(Picture("t", np.zeros((60, 90, 3), np.uint8), depth, depth).panels(DepthScale(0.0, 6.0)))
    assert list(panels) == ["camera", "depth", "reference depth", "error: blue too near, red too far"]
    np.testing.assert_array_equal(panels["depth"], panels["reference depth"])


def test_shrinking_never_mixes_depths() -> None:
    depth = np.where(np.arange(2000) % 2, 1.0, 9.0).astype(np.float32)[None].repeat(1000, axis=0)
    small = Picture.shrink("t", np.zeros((1000, 2000, 3), np.uint8), depth).depth_hw
    assert small.shape == (240, 480)
    assert set(np.unique(small)) <= {1.0, 9.0}


@pytest.mark.parametrize("size", [(1, 1), (3, 4000), (4000, 3), (481, 641)])
@pytest.mark.parametrize("reference", [False, True])
def test_pictures_of_any_size_have_even_sides(size: tuple[int, int], reference: bool) -> None:
    image = side_by_side(picture(*size, reference=reference), DepthScale(0.0, 6.0))
    assert image.dtype == np.uint8
    assert image.shape[0] % 2 == 0 and image.shape[1] % 2 == 0
    assert image.shape[1] >= 780


def test_sheet_has_one_row_a_frame_with_reference_and_two_frames_a_row_without() -> None:
    scale = DepthScale(0.0, 6.0)
    four = contact_sheet([picture()] * 4, scale, "four")
    two = contact_sheet([picture()] * 2, scale, "two")
    with_reference = contact_sheet([picture(reference=True)] * 4, scale, "four")
    row = four.shape[0] - two.shape[0]
    assert with_reference.shape == (four.shape[0] + 2 * row, *four.shape[1:])
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([], scale, "none")


def test_legend_shows_the_colours_of_the_scale() -> None:
    image = side_by_side(picture(), DepthScale(1.0, 5.0))
    bar = image[-46 + 15, 12 : 12 + 220]
    assert bar[0].tolist() == turbo(255)
    assert bar[-1].tolist() == turbo(0)
