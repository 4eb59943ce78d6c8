"""The three alignments on answers whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth_anything_ros.errors import ConfigError, SourceError
from tests.training.made import ramp, sample
from training.samples import DepthSample
from training.scores import Protocol, compare, score

TRUTH = sample(ramp(8, 2))


def errors(answer: np.ndarray, truth: DepthSample = TRUTH, **options: object) -> dict[str, float]:
    """abs_rel by alignment."""
    answer_HW = np.ascontiguousarray(np.broadcast_to(answer, (48, 64)), np.float32)
    compared = compare(answer_HW, truth, Protocol(), **options)  # type: ignore[arg-type]
    assert compared is not None
    return {name: metrics.abs_rel for name, metrics in compared.figures.items()}


def test_a_wrong_scale_shows_unaligned_and_vanishes_after_median_scaling() -> None:
    found = errors(1.2 * TRUTH.depth_HW)
    assert list(found) == ["unaligned", "median", "affine"]
    assert found["unaligned"] == pytest.approx(0.2, abs=1e-5)
    assert found["median"] == pytest.approx(0, abs=1e-5)


def test_a_wrong_shift_vanishes_after_affine_alignment_alone() -> None:
    found = errors(0.5 * TRUTH.depth_HW + 3)
    assert found["affine"] == pytest.approx(0, abs=1e-5)
    assert found["median"] > 0.05 and found["unaligned"] > 0.05


def test_relative_disparity_is_aligned_in_disparity_and_has_no_unaligned_figures() -> None:
    compared = compare(np.asarray(0.3 / TRUTH.depth_HW - 0.2, np.float32), TRUTH, Protocol(), output="disparity")
    assert compared is not None and list(compared.figures) == ["median", "affine"]
    affine = compared.figures["affine"]
    # Truth = (answer + 0.2) / 0.3, as disparity; that answers are negative here, or 0, costs no pixel.
    assert (affine.scale, affine.shift) == pytest.approx((1 / 0.3, 0.2 / 0.3), rel=1e-4)
    assert affine.abs_rel == pytest.approx(0, abs=1e-4) and affine.coverage == 1.0
    np.testing.assert_allclose(compared.depth_HW, TRUTH.depth_HW, rtol=1e-4)


def test_disparity_that_says_infinitely_far_is_held_at_the_limit() -> None:
    truth = sample(np.where(np.arange(64) < 32, 2.0, 50.0))
    compared = compare(np.where(truth.depth_HW < 3, 0.5, 0.0).astype(np.float32), truth, Protocol(), output="disparity")
    assert compared is not None
    assert compared.figures["affine"].coverage == 1.0
    assert compared.depth_HW.max() <= 100.0


def test_the_space_decides_where_disparity_is_compared() -> None:
    # Half of the rows at 1 m, half at 2 m; the answer is right but for one column of the far half.
    truth = sample(np.where(np.arange(48)[:, None] < 24, 2.0, 1.0) * np.ones((48, 64)))
    answer = 1 / truth.depth_HW
    answer[:24, 0] = 1.0
    depth, disparity = (errors(answer, truth, output="disparity", space=space) for space in ("depth", "disparity"))
    # Least squares of y on x with one outlying group of 1/128: x = 0.5 or 1.
    x, y = answer.ravel().astype(float), 1 / truth.depth_HW.ravel().astype(float)
    a, b = np.polyfit(x, y, 1)
    assert disparity["affine"] == pytest.approx(np.mean(np.abs(a * x + b - y) / y), rel=1e-4)
    assert depth["affine"] == pytest.approx(np.mean(np.abs(1 / (a * x + b) - 1 / y) * y), rel=1e-4)
    assert depth["affine"] != pytest.approx(disparity["affine"], rel=0.01)


@given(scale=st.floats(0.1, 10), shift=st.floats(-5, 5), seed=st.integers(0, 9))
def test_the_affine_figures_know_no_scale_and_no_shift(scale: float, shift: float, seed: int) -> None:
    disparity = (1 / TRUTH.depth_HW + np.random.default_rng(seed).normal(0, 0.05, (48, 64))).astype(np.float32)
    plain = errors(disparity, output="disparity")["affine"]
    moved = errors((scale * disparity + shift).astype(np.float32), output="disparity")["affine"]
    assert moved == pytest.approx(plain, rel=1e-3)


def test_a_flat_answer_is_scored_and_not_divided_by_zero() -> None:
    for value in (0.0, 1.0):
        assert 0 < errors(np.array(value), output="disparity")["affine"] < 1


def test_relative_depth_is_aligned_in_depth_and_sky_stays_sky() -> None:
    answer = np.asarray(2 * TRUTH.depth_HW + 1, np.float32)
    answer[0] = np.inf
    compared = compare(answer, TRUTH, Protocol(), output="depth")
    assert compared is not None and list(compared.figures) == ["median", "affine"]
    assert np.isposinf(compared.depth_HW[0]).all()
    np.testing.assert_allclose(compared.depth_HW[1:], TRUTH.depth_HW[1:], rtol=1e-4)


def test_a_truth_without_metres_has_no_unaligned_figures() -> None:
    found = errors(TRUTH.depth_HW, sample(3 * ramp(8, 2), is_metric=False))
    assert list(found) == ["median", "affine"] and found["median"] == pytest.approx(0, abs=1e-6)


def test_a_truth_of_disparity_is_refused_by_name() -> None:
    with pytest.raises(SourceError, match="made: holds disparity"):
        errors(TRUTH.depth_HW, sample(ramp(8, 2), is_metric=False, quantity="disparity", camera_known=False))


def test_limits_leave_out_and_clipping_brings_in() -> None:
    truth = sample(np.array(4.0))
    truth.depth_HW[0], truth.depth_HW[1] = 60.0, np.inf
    answer = np.full((48, 64), 4.0, np.float32)
    answer[2], answer[3], answer[4] = np.nan, np.inf, 1e-3
    plain, clipped = (
        compare(answer, truth, Protocol(min_depth_m=2, max_depth_m=50, clip=clip)) for clip in (False, True)
    )
    assert plain is not None and clipped is not None
    assert plain.figures["unaligned"].coverage == pytest.approx(44 / 46)
    assert clipped.figures["unaligned"].coverage == 1.0
    # The rows without an answer become 2, 50 and 2 m where 4 m is true.
    assert clipped.figures["unaligned"].abs_rel == pytest.approx((0.5 + 46 / 4 + 0.5) / 46)


def test_ranges_are_those_of_what_is_shown() -> None:
    compared = compare(
        np.asarray(5 / TRUTH.depth_HW, np.float32), TRUTH, Protocol(), output="disparity", edges_m=(0, 4, 9, 20)
    )
    assert compared is not None
    assert set(compared.ranges) == {(0, 4), (4, 9)}
    assert all(metrics.abs_rel == pytest.approx(0, abs=1e-4) for metrics in compared.ranges.values())


def test_frames_count_alike_whatever_their_number_of_valid_pixels() -> None:
    dense, sparse, empty = sample(np.array(2.0)), sample(np.array(2.0)), sample(np.array(np.nan))
    sparse.depth_HW[1:] = np.nan
    answers = {id(dense): 2.0, id(sparse): 4.0, id(empty): 9.0}
    figures = score(lambda item: np.full((48, 64), answers[id(item)], np.float32), [dense, sparse, empty])
    assert figures["abs_rel"] == pytest.approx(0.5)
    assert figures["median_abs_rel"] == pytest.approx(0)


def test_no_frame_with_truth_is_an_error_and_not_a_nan() -> None:
    with pytest.raises(SourceError, match="no valid depth"):
        score(lambda item: item.depth_HW, [sample(np.array(np.nan))])


def test_a_network_that_answers_nothing_scores_worst() -> None:
    assert score(lambda item: np.full((48, 64), np.nan, np.float32), [TRUTH])["abs_rel"] == np.inf


def test_limits_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="min_depth_m 5"):
        Protocol(min_depth_m=5, max_depth_m=2)
