"""Depth errors: hand-computed values, invariances, and what a missing prediction does to the result."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_anything_ros.errors import ConfigError, ImageError
from depth_anything_ros.metrics import (
    LOWER_IS_BETTER,
    METRIC_NAMES,
    RANGE_BINS_M,
    DepthMetrics,
    depth_metrics,
    is_better,
    mean_metrics,
    per_range_metrics,
)

LIMITS = {"min_depth_m": 0.1, "max_depth_m": 80.0}


def image(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def measured(pred: np.ndarray, truth: np.ndarray, **options) -> DepthMetrics:
    result = depth_metrics(pred, truth, **{**LIMITS, **options})
    assert result is not None
    return result


def pairs(seed: int, pixels: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.5, 40, (6, pixels // 6)).astype(np.float32)
    pred = (truth * rng.lognormal(0.1, 0.3, truth.shape)).astype(np.float32)
    return pred, truth


def test_two_pixels_by_hand():
    result = measured(image(2, 4), image(1, 5))
    # Errors of +1 m at 1 m and -1 m at 5 m; log errors ln 2 and ln 0.8; ratios 2 and 1.25 (not below 1.25).
    e = (math.log(2), math.log(0.8))
    mean_square, mean = (e[0] ** 2 + e[1] ** 2) / 2, (e[0] + e[1]) / 2
    assert result.abs_rel == pytest.approx((1 + 0.2) / 2)
    assert result.sq_rel == pytest.approx((1 + 0.2) / 2)
    assert result.rmse == pytest.approx(1.0)
    assert result.rmse_log == pytest.approx(math.sqrt(mean_square))
    assert result.log10 == pytest.approx((math.log10(2) - math.log10(0.8)) / 2)
    assert result.silog == pytest.approx(100 * math.sqrt(mean_square - mean**2))
    assert (result.delta1, result.delta2, result.delta3) == (0.0, 0.5, 0.5)
    assert (result.num_pixels, result.coverage, result.scale, result.shift) == (2, 1.0, 1.0, 0.0)


def test_delta_counts_both_directions():
    result = measured(image(1.2, 10 / 1.2, 1.5, 10 / 1.5, 1.9, 9), image(1, 10, 1, 10, 1, 1))
    assert result.delta1 == pytest.approx(2 / 6)
    assert result.delta2 == pytest.approx(4 / 6)
    assert result.delta3 == pytest.approx(5 / 6)


def test_perfect_prediction_has_no_error():
    truth = pairs(0)[1]
    result = measured(truth, truth)
    assert [getattr(result, name) for name in METRIC_NAMES] == [0.0] * 6 + [1.0] * 3


def test_truth_outside_the_limits_does_not_count():
    truth = image(2, 0, np.nan, np.inf, -np.inf, -3, 0.1, 80, 100)
    result = measured(np.full_like(truth, 2), truth)
    assert (result.num_pixels, result.coverage, result.abs_rel) == (1, 1.0, 0.0)


def test_unusable_predictions_lower_the_coverage():
    result = measured(image(2, np.nan, np.inf, -np.inf, 0, -1, 2, 7), image(1, 1, 1, 1, 1, 1, 1, np.nan))
    assert result.coverage == pytest.approx(2 / 7)
    assert result.num_pixels == 2
    assert result.abs_rel == pytest.approx(1.0)


def test_no_truth_is_none():
    assert depth_metrics(image(1, 2), image(np.nan, 0), **LIMITS) is None
    assert depth_metrics(np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32), **LIMITS) is None


@pytest.mark.parametrize("alignment", ["none", "median", "affine"])
def test_no_prediction_is_the_worst_result_and_never_nan(alignment):
    result = measured(image(np.nan, 0), image(1, 2), alignment=alignment)
    assert result.coverage == 0.0 and result.num_pixels == 0
    for name in METRIC_NAMES:
        assert getattr(result, name) == (math.inf if LOWER_IS_BETTER[name] else 0.0)


def test_median_alignment_by_hand():
    # Medians over the pixels that both have: truth 4, prediction 2.
    result = measured(image(1, 2, 3, np.nan), image(2, 4, 9, 50), alignment="median")
    assert result.scale == pytest.approx(2.0)
    assert result.abs_rel == pytest.approx((0 + 0 + 3 / 9) / 3)
    assert result.coverage == 0.75


def test_affine_alignment_in_depth():
    truth = pairs(1)[1]
    result = measured((truth - 0.3) / 2.5, truth, alignment="affine")
    assert result.abs_rel == pytest.approx(0, abs=1e-6)
    assert (result.scale, result.shift) == (pytest.approx(2.5, rel=1e-5), pytest.approx(0.3, abs=1e-4))


def test_affine_alignment_in_disparity():
    truth = pairs(2)[1]
    pred = 1 / (3 / truth + 0.2)
    result = measured(pred, truth, alignment="affine", affine_space="disparity")
    assert result.abs_rel == pytest.approx(0, abs=1e-5)
    assert (result.scale, result.shift) == (pytest.approx(1 / 3, rel=1e-4), pytest.approx(-0.2 / 3, rel=1e-3))
    assert measured(pred, truth, alignment="affine").abs_rel > 0.01


def test_affine_fit_matches_least_squares():
    pred, truth = pairs(3)
    result = measured(pred, truth, alignment="affine")
    design = np.stack([pred.ravel(), np.ones(pred.size)], axis=1).astype(np.float64)
    scale, shift = np.linalg.lstsq(design, truth.ravel().astype(np.float64), rcond=None)[0]
    assert (result.scale, result.shift) == (pytest.approx(scale), pytest.approx(shift))


def test_affine_of_a_constant_prediction_is_the_mean():
    result = measured(image(3, 3, 3), image(1, 2, 6), alignment="affine")
    assert (result.scale, result.shift) == (0.0, pytest.approx(3.0))


def test_affine_result_stays_inside_the_limits():
    # The best line through these passes below zero at the first pixel.
    result = measured(image(1, 2, 3, 4), image(0.2, 0.2, 0.2, 30), alignment="affine")
    assert all(math.isfinite(value) for value in result.as_dict().values())
    assert result.coverage == 1.0


def test_range_bins_by_hand():
    truth = image(1, 1.5, 2, 4, 15, 79, 80, np.nan)
    pred = image(2, np.nan, 3, 5, 15, 79, 1, 1)
    result = per_range_metrics(pred, truth)
    assert tuple(result) == RANGE_BINS_M
    near, second, third, fourth, far = result.values()
    assert near is not None and (near.abs_rel, near.coverage, near.num_pixels) == (1.0, 0.5, 1)
    assert second is not None and second.abs_rel == pytest.approx((0.5 + 0.25) / 2)
    assert third is None
    assert fourth is not None and fourth.delta1 == 1.0
    assert far is not None and far.num_pixels == 1


def test_range_bins_share_one_alignment():
    pred, truth = pairs(4)
    whole = measured(pred, truth, alignment="median", min_depth_m=0)
    bins = [bin_ for bin_ in per_range_metrics(pred, truth, alignment="median").values() if bin_ is not None]
    assert {bin_.scale for bin_ in bins} == {whole.scale}
    pooled = sum(bin_.abs_rel * bin_.num_pixels for bin_ in bins) / sum(bin_.num_pixels for bin_ in bins)
    assert pooled == pytest.approx(whole.abs_rel)


def test_range_bin_without_prediction_keeps_its_zero_coverage():
    result = per_range_metrics(image(np.nan, 3), image(1, 3))
    assert result[(0.0, 2.0)] is not None and result[(0.0, 2.0)].coverage == 0.0
    assert set(per_range_metrics(image(1), image(np.nan)).values()) == {None}


def test_mean_is_over_images_not_pixels():
    small = measured(image(2), image(1))
    large = measured(image(1, 1, 1), image(1, 1, 1))
    empty = measured(image(np.nan), image(1))
    result = mean_metrics([small, large, None, empty])
    assert result is not None
    assert result.mean.abs_rel == pytest.approx(0.5)
    assert result.mean.coverage == pytest.approx(2 / 3)
    assert result.mean.num_pixels == 4
    assert (result.num_images, result.num_without_prediction, result.num_without_truth) == (3, 1, 1)


def test_mean_of_nothing():
    assert mean_metrics([]) is None
    assert mean_metrics([None]) is None
    only_empty = mean_metrics([measured(image(np.nan), image(1))])
    assert only_empty is not None and only_empty.mean.abs_rel == math.inf and only_empty.mean.coverage == 0.0


def test_direction_of_each_metric():
    assert is_better("abs_rel", 0.1, 0.2) and not is_better("abs_rel", 0.2, 0.2)
    assert is_better("delta1", 0.9, 0.8) and not is_better("delta3", 0.8, 0.9)
    with pytest.raises(ConfigError, match=r"'mae'.*abs_rel"):
        is_better("mae", 0, 1)


def test_names_and_result_fields_agree():
    names = [field.name for field in dataclasses.fields(DepthMetrics)]
    assert tuple(names[: len(METRIC_NAMES)]) == METRIC_NAMES
    assert list(measured(image(1), image(1)).as_dict()) == names


@pytest.mark.parametrize(
    ("pred", "truth", "options", "error", "message"),
    [
        (image(1, 2), image(1), {}, ImageError, r"\(1, 2\).*\(1, 1\)"),
        (np.ones((1, 2), np.uint16), image(1, 2), {}, ImageError, "uint16"),
        (np.ones((2, 1, 2), np.float32), np.ones((2, 1, 2), np.float32), {}, ImageError, r"\(2, 1, 2\)"),
        (image(1), image(1), {"min_depth_m": 5, "max_depth_m": 5}, ConfigError, "min_depth_m=5"),
        (image(1), image(1), {"min_depth_m": math.nan}, ConfigError, "nan"),
        (image(1), image(1), {"alignment": "mean"}, ConfigError, "'mean'"),
        (image(1), image(1), {"affine_space": "log"}, ConfigError, "'log'"),
    ],
)
def test_nonsense_is_refused(pred, truth, options, error, message):
    with pytest.raises(error, match=message):
        depth_metrics(pred, truth, **{**LIMITS, **options})


def test_bad_range_bin_is_refused():
    with pytest.raises(ConfigError, match="5 to 2"):
        per_range_metrics(image(1), image(1), bins_m=[(5, 2)])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 20))
def test_scale_leaves_silog_and_the_median_scaled_errors_alone(seed, factor):
    pred, truth = (array.astype(np.float64) for array in pairs(seed))
    scaled = (pred * factor).astype(np.float32)
    one, two = measured(pred, truth), measured(scaled, truth)
    assert two.silog == pytest.approx(one.silog, rel=1e-4)
    one, two = measured(pred, truth, alignment="median"), measured(scaled, truth, alignment="median")
    assert two.scale == pytest.approx(one.scale / factor, rel=1e-5)
    for name in ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10"):
        assert getattr(two, name) == pytest.approx(getattr(one, name), rel=1e-4, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["none", "median", "affine"]))
def test_order_of_the_pixels_does_not_matter(seed, alignment):
    pred, truth = pairs(seed)
    pred[0, :3] = np.nan
    truth[1, :3] = np.nan
    order = np.random.default_rng(seed).permutation(pred.size)
    one = measured(pred, truth, alignment=alignment)
    two = measured(
        pred.ravel()[order].reshape(pred.shape), truth.ravel()[order].reshape(truth.shape), alignment=alignment
    )
    assert two.as_dict() == pytest.approx(one.as_dict(), rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(width=32), st.floats(width=32)), min_size=1, max_size=12),
    st.sampled_from([("none", "depth"), ("median", "depth"), ("affine", "depth"), ("affine", "disparity")]),
)
def test_no_input_gives_nan(values, how):
    pred, truth = np.array(values, np.float32).T[:, None, :]
    result = depth_metrics(pred, truth, min_depth_m=0.1, max_depth_m=80, alignment=how[0], affine_space=how[1])
    if result is not None:
        assert not any(math.isnan(value) for value in result.as_dict().values())
        assert 0 <= result.coverage <= 1
