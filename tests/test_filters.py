"""Range limits and flying pixels: what is removed, what must stay, and the values that REP 117 asks for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from depth_anything_ros.errors import ConfigError, ImageError
from depth_anything_ros.filters import limit_range, remove_flying_pixels, surroundings

NAN, INF = np.nan, np.inf
# Few distinct values, so that steps, ramps, plateaus and every special value meet each other often.
DEPTHS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7),
    elements=st.sampled_from(
        [np.float32(v) for v in (1.0, 1.04, 1.09, 1.2, 1.35, 2.0, 2.19, 30.0, 0.0, -1.0, NAN, INF, -INF)]
    ),
)


def image(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32)


def neighbourhoods(depth_HW: np.ndarray) -> np.ndarray:
    """The 3x3 pixels around each pixel as (9, H, W); outside the image NaN, which counts as nothing."""
    padded = np.pad(depth_HW, 1, constant_values=NAN)
    H, W = depth_HW.shape
    return np.stack([padded[v : v + H, u : u + W] for v in range(3) for u in range(3)])


def reference_flying(depth_HW: np.ndarray, ratio: float) -> np.ndarray:
    scale = np.float32(1.0 + ratio)
    around = neighbourhoods(depth_HW)
    with np.errstate(invalid="ignore", over="ignore"):
        nearer = (around * scale < depth_HW).any(axis=0)
        farther = (around > depth_HW * scale).any(axis=0)
    return nearer & farther


def test_limits_follow_rep_117() -> None:
    depth_HW = image((0.1, 0.0999, 20.0, 20.001, 5.0), (0.0, -3.0, NAN, INF, -INF))
    assert not limit_range(depth_HW, 0.1, 20.0)
    expected = image((0.1, -INF, 20.0, INF, 5.0), (-INF, -INF, NAN, INF, -INF))
    np.testing.assert_array_equal(depth_HW, expected)


def test_depths_within_the_limits_are_untouched() -> None:
    depth_HW = np.linspace(0.5, 9.5, 40, dtype=np.float32).reshape(5, 8)
    limited_HW = depth_HW.copy()
    assert limit_range(limited_HW, 0.5, 9.5)
    np.testing.assert_array_equal(limited_HW, depth_HW)


def test_a_depth_that_is_unknown_is_not_within_the_limits() -> None:
    assert not limit_range(image((1.0, NAN)), 0.1, 20.0)


@pytest.mark.parametrize(("low", "high"), [(0.0, 5.0), (-1.0, 5.0), (5.0, 5.0), (6.0, 5.0), (NAN, 5.0), (1.0, NAN)])
def test_an_empty_or_meaningless_range_is_refused(low: float, high: float) -> None:
    with pytest.raises(ConfigError, match="0 < min < max"):
        limit_range(np.ones((2, 2), np.float32), low, high)


@pytest.mark.parametrize("wrong", [np.ones((2, 2)), np.ones((2, 2, 1), np.float32), np.ones((0, 2), np.float32)])
def test_what_is_no_depth_image_is_refused(wrong: np.ndarray) -> None:
    for function in (surroundings, remove_flying_pixels, lambda depth: limit_range(depth, 0.1, 9.0)):
        with pytest.raises(ImageError, match=r"float32 \(H, W\)"):
            function(wrong)


@given(DEPTHS)
@settings(deadline=None, max_examples=60)
def test_surroundings_match_a_plain_search(depth_HW: np.ndarray) -> None:
    around = surroundings(depth_HW)
    values = neighbourhoods(depth_HW)
    nothing = np.isnan(values)
    nearest = np.where(nothing, INF, values).min(axis=0)
    farthest = np.where(nothing, -INF, values).max(axis=0)
    np.testing.assert_array_equal(around.nearest_HW, nearest)
    np.testing.assert_array_equal(around.farthest_HW, farthest)
    with np.errstate(invalid="ignore"):
        unusable = ~((depth_HW > 0) & (depth_HW < INF))
        apart = farthest > nearest.astype(np.float32) * np.float32(1.05)
    near_unusable = (neighbourhoods(unusable.astype(np.float32)) == 1.0).any(axis=0)
    np.testing.assert_array_equal(around.edges_HW, apart | near_unusable)


def test_the_edges_stay_when_the_memory_of_the_extremes_is_used_again() -> None:
    step_HW = image(*[(1.0, 1.0, 3.0, 3.0)] * 3)
    around = surroundings(step_HW)
    surroundings(np.ones_like(step_HW))
    assert around.edges_HW.tolist() == [[False, True, True, False]] * 3
    assert around.edges_N.tolist() == [1, 2, 5, 6, 9, 10]


def test_a_step_of_six_percent_is_an_edge_and_one_of_four_is_not() -> None:
    assert surroundings(image((1.0, 1.0, 1.06, 1.06))).edges_HW.tolist() == [[False, True, True, False]]
    assert not surroundings(image((1.0, 1.0, 1.04, 1.04))).edges_HW.any()


def test_the_ramp_between_two_surfaces_is_removed_and_its_ends_stay() -> None:
    ramp = image(*[(1.0, 1.0, 1.4, 2.2, 3.0, 3.0)] * 3)
    expected = image(*[(1.0, 1.0, NAN, NAN, 3.0, 3.0)] * 3)
    np.testing.assert_array_equal(remove_flying_pixels(ramp), expected)


def test_a_clean_step_loses_nothing() -> None:
    step = image(*[(1.0, 1.0, 3.0, 3.0)] * 4)
    np.testing.assert_array_equal(remove_flying_pixels(step.copy()), step)


def test_a_thin_pole_stays() -> None:
    pole = np.full((9, 9), 5.0, np.float32)
    pole[:, 4] = 1.0
    pole[:, (3, 5)] = 2.5  # blurred by the network
    result = remove_flying_pixels(pole)
    assert (result[:, 4] == 1.0).all()
    assert np.isnan(result[:, (3, 5)]).all()


def test_the_ramp_against_the_sky_is_removed() -> None:
    result = remove_flying_pixels(image((2.0, 2.0, 4.0, INF, INF)))
    np.testing.assert_array_equal(result, image((2.0, 2.0, NAN, INF, INF)))


def test_a_ratio_below_that_of_a_surface_finds_finer_ramps() -> None:
    ramp = image(*[(1.0, 1.0, 1.02, 1.04, 1.04)] * 3)
    around = surroundings(ramp)
    assert around.edges_N.tolist() == []
    result = remove_flying_pixels(ramp, 0.01, around)
    np.testing.assert_array_equal(result, image(*[(1.0, 1.0, NAN, 1.04, 1.04)] * 3))
    assert around.edges_HW[:, 1:4].all(), "what is removed counts as an edge, so that enlarging knows of it"
    assert around.edges_N.tolist() == np.flatnonzero(around.edges_HW).tolist()


def test_an_unknown_neighbour_is_neither_nearer_nor_farther() -> None:
    depth_HW = image((NAN, 2.0, 3.0), (NAN, 2.0, 3.0))
    np.testing.assert_array_equal(remove_flying_pixels(depth_HW.copy()), depth_HW)


def test_a_tilted_floor_stays() -> None:
    rows_below_horizon = np.arange(60, 12, -1, dtype=np.float32)[::-1, None]
    floor = np.repeat(400.0 / rows_below_horizon, 30, axis=1).astype(np.float32)
    np.testing.assert_array_equal(remove_flying_pixels(floor.copy()), floor)


@pytest.mark.parametrize("ratio", [0.005, 0.03, 0.10, 0.5])
@given(depth_HW=DEPTHS)
@settings(deadline=None, max_examples=60)
def test_flying_pixels_match_a_plain_search(ratio: float, depth_HW: np.ndarray) -> None:
    expected = np.where(reference_flying(depth_HW, ratio), np.float32(NAN), depth_HW)
    around = surroundings(depth_HW)
    np.testing.assert_array_equal(remove_flying_pixels(depth_HW.copy(), ratio, around), expected)
    assert remove_flying_pixels(depth_HW, ratio) is depth_HW
    np.testing.assert_array_equal(depth_HW, expected)


@given(DEPTHS)
@settings(deadline=None, max_examples=60)
def test_the_nearest_pixel_around_always_stays(depth_HW: np.ndarray) -> None:
    """No obstacle, however thin, is filtered away."""
    nearest = surroundings(depth_HW).nearest_HW
    result = remove_flying_pixels(depth_HW.copy())
    is_nearest = (depth_HW == nearest) & (depth_HW > 0.0)
    np.testing.assert_array_equal(result[is_nearest], depth_HW[is_nearest])


@pytest.mark.parametrize("ratio", [0.0, -0.1, NAN, INF])
def test_a_ratio_without_meaning_is_refused(ratio: float) -> None:
    with pytest.raises(ConfigError, match="positive"):
        remove_flying_pixels(np.ones((3, 3), np.float32), ratio)
