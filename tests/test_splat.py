"""The picture of a cloud: what is nearer hides what is behind, and metres are true to the grid."""

from __future__ import annotations

import numpy as np
import pytest

from depth_anything_ros.splat import View, picture_of_cloud, splat

RED, GREEN = np.uint8([255, 0, 0]), np.uint8([0, 255, 0])


def front_view(size: int = 101) -> View:
    return View(np.eye(3), np.zeros(3), size, size, 100.0)


def drawn(points: list[list[float]], colours: list[np.ndarray], view: View, spacing_rad: float = 1e-6) -> np.ndarray:
    image = np.zeros((view.height, view.width, 3), np.uint8)
    splat(np.float32(points), np.uint8(colours), view, image, spacing_rad=spacing_rad)
    return image


@pytest.mark.parametrize("first", [0, 1])
def test_the_nearer_point_wins_whatever_the_order(first: int) -> None:
    points, colours = [[0, 0, 2.0], [0, 0, 1.0]], [RED, GREEN]
    image = drawn([points[first], points[1 - first]], [colours[first], colours[1 - first]], front_view())
    assert image[50, 50].tolist() == GREEN.tolist()


def test_a_large_far_point_does_not_cover_a_near_one() -> None:
    # At 0.1 rad the far point reaches 6 px either side; the near one, two pixels beside it, stays visible.
    image = drawn([[0, 0, 4.0], [0.02, 0, 1.0]], [RED, GREEN], front_view(), spacing_rad=0.1)
    assert image[50, 52].tolist() == GREEN.tolist()
    assert image[50, 45].tolist() == RED.tolist()


def test_projection_by_hand() -> None:
    image = drawn([[0.2, -0.1, 2.0]], [RED], front_view())
    assert np.argwhere(image[..., 0]).tolist() == [[45, 60]]  # u = 50 + 100 * 0.2 / 2, v = 50 - 100 * 0.1 / 2


def test_points_behind_or_beside_the_view_are_left_out() -> None:
    assert not drawn([[0, 0, -1.0], [50.0, 0, 1.0], [0, -50.0, 1.0]], [RED] * 3, front_view()).any()


def test_a_surface_has_no_holes_when_seen_twice_as_near() -> None:
    v, u = np.mgrid[0:60, 0:60]
    points = np.stack([(u - 29.5) / 60.0, (v - 29.5) / 60.0, np.ones(u.shape)], axis=-1).reshape(-1, 3) * 2.0
    view = View(np.eye(3), np.array([0, 0, 1.0]), 80, 80, 60.0)
    image = np.zeros((80, 80, 3), np.uint8)
    splat(points.astype(np.float32), np.full((3600, 3), 200, np.uint8), view, image, spacing_rad=1 / 60)
    assert (image > 0).all()


def wall_and_box() -> tuple[np.ndarray, np.ndarray]:
    """A wall 4 m ahead and a box front of 1 m, 2 m ahead."""
    v, u = np.mgrid[-1:1:120j, -1.5:1.5:160j]
    wall = np.stack([u * 2, v * 2, np.full(u.shape, 4.0)], axis=-1).reshape(-1, 3)
    box = np.stack([u / 3, v / 2, np.full(u.shape, 2.0)], axis=-1).reshape(-1, 3)
    colours = np.vstack([np.tile(RED, (len(wall), 1)), np.tile(GREEN, (len(box), 1))])
    return np.vstack([wall, box]).astype(np.float32), colours


def test_both_views_show_the_scene() -> None:
    points, colours = wall_and_box()
    image = picture_of_cloud(points, colours, focal_px=100.0, title="wall and box", panel=(300, 240))
    assert image.shape == (240 + 28, 300 + 6 + 300, 3)
    for panel in (image[28:, :300], image[28:, 306:]):
        is_red, is_green = (panel == RED).all(axis=-1), (panel == GREEN).all(axis=-1)
        assert is_red.sum() > 200
        assert is_green.sum() > 30
        assert np.argwhere(is_green)[:, 0].mean() > np.argwhere(is_red)[:, 0].mean()  # nearer is lower in both


def test_from_the_top_metres_are_true_to_scale() -> None:
    points, colours = wall_and_box()
    top = picture_of_cloud(points, colours, focal_px=100.0, title="", panel=(300, 240))[28:, 306:]
    wall_columns = np.flatnonzero((top == RED).all(axis=-1).any(axis=0))
    box_columns = np.flatnonzero((top == GREEN).all(axis=-1).any(axis=0))
    assert np.ptp(wall_columns) / np.ptp(box_columns) == pytest.approx(6.0, rel=0.12)


@pytest.mark.parametrize("points", [[[0.0, 0.0, 1.0]], [[0.0, 0.0, 1.0]] * 5, [[3.0, 2.0, 80.0], [3.0, 2.0, 80.0]]])
def test_clouds_without_extent_are_drawn(points: list[list[float]]) -> None:
    image = picture_of_cloud(np.float32(points), np.tile(RED, (len(points), 1)), focal_px=500.0, title="t")
    assert (image == RED).all(axis=-1).any()


def test_an_empty_cloud_is_refused() -> None:
    with pytest.raises(ValueError, match="no points"):
        picture_of_cloud(np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8), focal_px=1.0, title="")
