"""Enlarging depth: bilinear on surfaces, nearest at edges, and never a depth between foreground and background."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from depth_anything_ros import resample
from depth_anything_ros.errors import ImageError
from depth_anything_ros.filters import remove_flying_pixels, surroundings
from depth_anything_ros.resample import upsample_depth

NAN, INF = np.nan, np.inf
DEPTHS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
    elements=st.sampled_from([np.float32(v) for v in (1.0, 1.02, 1.04, 1.5, 4.0, 4.1, 0.0, -1.0, NAN, INF, -INF)]),
)
SIZES = st.tuples(st.integers(1, 23), st.integers(1, 23))


def nearest_indices(source: int, target: int) -> np.ndarray:
    """For each target pixel the source pixel whose area holds its centre; on a border OpenCV chooses the side."""
    column = np.arange(source, dtype=np.float32)[:, None]
    indices = cv2.resize(column, (1, target), interpolation=cv2.INTER_NEAREST_EXACT)
    return indices[:, 0].astype(int)


def nearest(depth_hw: np.ndarray, size_HW: tuple[int, int]) -> np.ndarray:
    rows, columns = (nearest_indices(s, t) for s, t in zip(depth_hw.shape, size_HW, strict=True))
    return depth_hw[rows[:, None], columns[None, :]]


def bilinear(depth_hw: np.ndarray, size_HW: tuple[int, int]) -> np.ndarray:
    """Half-pixel bilinear interpolation in float64, border replicated."""
    result = depth_hw.astype(np.float64)
    for axis, target in enumerate(size_HW):
        source = depth_hw.shape[axis]
        position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
        low = np.floor(position).astype(int)
        weight = (position - low).reshape([-1, 1] if axis == 0 else [1, -1])
        high = np.minimum(low + 1, source - 1)
        result = result.take(low, axis) * (1.0 - weight) + result.take(high, axis) * weight
    return result


def smooth_scene(shape_hw: tuple[int, int]) -> np.ndarray:
    v, u = np.mgrid[: shape_hw[0], : shape_hw[1]].astype(np.float32)
    return 3.0 + 0.004 * u + 0.006 * v + 0.03 * np.sin(u / 9.0) * np.cos(v / 7.0)


@pytest.mark.parametrize(
    ("shape_hw", "size_HW"),
    [
        ((392, 518), (480, 640)),
        ((294, 518), (720, 1280)),
        ((40, 52), (40, 104)),
        ((60, 80), (30, 40)),
        ((70, 90), (31, 47)),
    ],
)
def test_a_smooth_surface_is_bilinear(
    shape_hw: tuple[int, int], size_HW: tuple[int, int], tolerance: Mapping[str, Mapping[str, float]]
) -> None:
    depth_hw = smooth_scene(shape_hw).astype(np.float32)
    result = upsample_depth(depth_hw, size_HW)
    assert (result.shape, result.dtype) == (size_HW, np.float32)
    np.testing.assert_allclose(result, bilinear(depth_hw, size_HW), **tolerance["float32"])
    same = cv2.resize(depth_hw, size_HW[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(result, same, **tolerance["float32"])


@pytest.mark.parametrize(("source", "target"), [(4, 10), (392, 480), (518, 640), (294, 720), (518, 1280), (90, 31)])
def test_the_nearest_source_pixel_is_the_nearest(source: int, target: int) -> None:
    """What the other tests take for nearest is within the pixel's own area, up to OpenCV's fixed-point rounding."""
    indices = nearest_indices(source, target)
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    assert np.abs(indices - centres).max() <= 0.5 + 0.01


def test_a_linear_ramp_stays_aligned_by_pixel_areas() -> None:
    """Regression of a known slip: corner-aligned enlarging moves the middle of every pixel."""
    ramp = np.float32(10.0) + np.arange(8, dtype=np.float32)[None, :] * np.float32(0.1)
    result = upsample_depth(np.repeat(ramp, 4, axis=0), (8, 16))
    expected = 10.0 + 0.1 * np.clip((np.arange(16) + 0.5) / 2.0 - 0.5, 0, 7)
    np.testing.assert_allclose(result[3], expected, rtol=1e-6)


def test_a_step_stays_a_step() -> None:
    step = np.repeat(np.array([[1.0, 1.0, 1.0, 4.0, 4.0, 4.0]], np.float32), 4, axis=0)
    result = upsample_depth(step, (9, 14))
    np.testing.assert_array_equal(result, nearest(step, (9, 14)))
    assert set(np.unique(result)) == {1.0, 4.0}


@given(DEPTHS, SIZES)
@settings(deadline=None, max_examples=200)
def test_every_value_is_a_source_value_or_lies_within_one_surface(
    depth_hw: np.ndarray, size_HW: tuple[int, int]
) -> None:
    result = upsample_depth(depth_hw, size_HW)
    source = nearest(depth_hw, size_HW)
    copied = (result == source) | (np.isnan(result) & np.isnan(source))
    around = surroundings(depth_hw)
    low, high = nearest(around.nearest_HW, size_HW), nearest(around.farthest_HW, size_HW)
    with np.errstate(invalid="ignore", over="ignore"):
        within = (result >= low * (1 - 1e-6)) & (result <= high * (1 + 1e-6)) & (high <= low * np.float32(1.05))
    assert (copied | within).all()


@given(DEPTHS, SIZES)
@settings(deadline=None, max_examples=200)
def test_nan_and_infinities_keep_the_area_of_their_pixels(depth_hw: np.ndarray, size_HW: tuple[int, int]) -> None:
    result, source = upsample_depth(depth_hw, size_HW), nearest(depth_hw, size_HW)
    for is_special in (np.isnan, np.isposinf, np.isneginf):
        np.testing.assert_array_equal(is_special(result), is_special(source))


@pytest.mark.parametrize("ratio", [0.005, 0.1])
@given(depth_hw=DEPTHS, size_HW=SIZES)
@settings(deadline=None, max_examples=60)
def test_surroundings_from_before_the_flying_pixels_went_give_the_same_depths(
    ratio: float, depth_hw: np.ndarray, size_HW: tuple[int, int]
) -> None:
    around = surroundings(depth_hw)
    filtered = remove_flying_pixels(depth_hw.copy(), ratio, around)
    reused, fresh = upsample_depth(filtered, size_HW, around), upsample_depth(filtered, size_HW)
    both = np.isfinite(reused) & np.isfinite(fresh)
    np.testing.assert_array_equal(np.isfinite(reused), np.isfinite(fresh))
    # Where a removed pixel was the only thing apart, one of the two interpolates and the other copies.
    np.testing.assert_allclose(reused[both], fresh[both], rtol=0.05)


def test_a_pixel_beside_a_removed_one_is_not_mixed_with_anything() -> None:
    """Regression: what stands in for a removed pixel during interpolation must not show in its neighbours."""
    depth_hw = np.full((6, 9), 2.0, np.float32)
    depth_hw[:, 4:] = 2.08
    depth_hw[:, 5] = 2.12
    depth_hw[2, 6:], depth_hw[3, 6:] = 1.8, 2.5
    around = surroundings(depth_hw)
    filtered = remove_flying_pixels(depth_hw.copy(), around=around)
    assert np.isnan(filtered).any()
    result = upsample_depth(filtered, (13, 20), around)
    assert np.nanmin(result) >= np.float32(1.8)


def test_the_result_is_new_memory_each_time() -> None:
    depth_hw = np.random.default_rng(0).uniform(1.0, 9.0, (12, 16)).astype(np.float32)
    first = upsample_depth(depth_hw, (30, 40))
    kept = first.copy()
    assert not np.shares_memory(first, upsample_depth(depth_hw + 1.0, (30, 40)))
    np.testing.assert_array_equal(first, kept)
    same_size = upsample_depth(depth_hw, (12, 16))
    assert not np.shares_memory(same_size, depth_hw)
    np.testing.assert_array_equal(same_size, depth_hw)


def test_the_source_is_not_changed() -> None:
    depth_hw = np.array([[1.0, NAN, INF], [0.0, 3.0, -INF], [1.0, 2.0, 4.0]], np.float32)
    around = surroundings(depth_hw)
    remove_flying_pixels(depth_hw, around=around)
    assert np.isnan(depth_hw[2, 1])
    kept = depth_hw.copy()
    for known in (None, around):
        upsample_depth(depth_hw, (5, 7), known)
        np.testing.assert_array_equal(depth_hw, kept)


@pytest.mark.parametrize("size_HW", [(0, 5), (5, 0), (-1, 5)])
def test_an_empty_size_is_refused(size_HW: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="cannot be resized"):
        upsample_depth(np.ones((3, 3), np.float32), size_HW)


def test_what_is_no_depth_image_is_refused() -> None:
    with pytest.raises(ImageError, match="float64"):
        upsample_depth(np.ones((3, 3)), (5, 5))  # type: ignore[arg-type]


def expected_fill(image_HW: np.ndarray, source_hw: np.ndarray, chosen_N: np.ndarray) -> np.ndarray:
    is_chosen = np.zeros(source_hw.size, np.float32)
    is_chosen[chosen_N] = 1.0
    chosen_HW, nearest_HW = (
        cv2.resize(array.reshape(source_hw.shape), image_HW.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        for array in (is_chosen, source_hw)
    )
    return np.where(chosen_HW.reshape(image_HW.shape) == 1.0, nearest_HW.reshape(image_HW.shape), image_HW)


@pytest.mark.parametrize("max_sparse", [0.0, 1.0])
@given(size_hw=SIZES, size_HW=SIZES, seed=st.integers(0, 99))
@settings(deadline=None, max_examples=150)
def test_both_ways_give_what_resizing_everything_gives(
    max_sparse: float, size_hw: tuple[int, int], size_HW: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    source_hw = rng.normal(size=size_hw).astype(np.float32)
    source_hw[rng.random(size_hw) < 0.2] = rng.choice(np.array([np.nan, np.inf, -np.inf, 0.0], np.float32))
    chosen_N = np.flatnonzero(rng.random(source_hw.size) < rng.choice([0.0, 0.1, 0.5, 1.0]))
    image_HW = rng.normal(size=size_HW).astype(np.float32)
    expected = expected_fill(image_HW, source_hw, chosen_N)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resample, "_MAX_SPARSE", max_sparse)
        resample._fill_nearest(image_HW, source_hw, chosen_N)
    np.testing.assert_array_equal(image_HW, expected)


@pytest.mark.parametrize(
    ("shape_hw", "size_HW"), [((392, 518), (480, 640)), ((294, 518), (720, 1280)), ((54, 30), (2160, 30))]
)
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_camera_sizes(shape_hw: tuple[int, int], size_HW: tuple[int, int], share: float) -> None:
    """The last pair is where OpenCV's fixed-point steps make blocks of 39 to 41 pixels."""
    rng = np.random.default_rng(0)
    source_hw = rng.normal(size=shape_hw).astype(np.float32)
    chosen_N = np.flatnonzero(rng.random(source_hw.size) < share)
    image_HW = np.zeros(size_HW, np.float32)
    expected = expected_fill(image_HW, source_hw, chosen_N)
    resample._fill_nearest(image_HW, source_hw, chosen_N)
    np.testing.assert_array_equal(image_HW, expected)


def test_a_hand_computed_block() -> None:
    """Two source pixels over five target pixels: OpenCV gives three to the first, two to the second."""
    image_HW = np.zeros((2, 5), np.float32)
    resample._fill_nearest(image_HW, np.array([[7.0, 9.0]], np.float32), np.array([1]))
    assert image_HW.tolist() in ([[0, 0, 0, 9, 9]] * 2, [[0, 0, 9, 9, 9]] * 2)
