"""The fits: exact on exact data, unmoved by outliers, and refusing what determines nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_anything_ros.calibrate.fit import FrameSamples, ScaleFit, fit_scale
from depth_anything_ros.errors import SourceError


def frame(
    output: Sequence[float] | NDArray[np.float64], reference: Sequence[float] | NDArray[np.float64]
) -> FrameSamples:
    return FrameSamples(np.asarray(output, np.float64), np.asarray(reference, np.float64))


def fit(frames: list[FrameSamples], quantity: str = "metres", max_abs_rel: float = 0.3) -> ScaleFit:
    return fit_scale(frames, quantity, max_abs_rel=max_abs_rel)


def scene(quantity: str, scale: float, shift: float, seed: int = 0, num: int = 900) -> FrameSamples:
    """Depths of 1 to 8 m and the output x of a relative network for which scale x + shift is the quantity."""
    depth = np.random.default_rng(seed).uniform(1.0, 8.0, num)
    return frame(((1.0 / depth if quantity == "disparity" else depth) - shift) / scale, depth)


def test_metric_by_hand() -> None:
    """Ratios 2, 2, 3 (median 2); 4, 4, 4; 3, 3: the median over the frames is 3."""
    found = fit([frame([1, 2, 1], [2, 4, 3]), frame([1, 1, 1], [4, 4, 4]), frame([1, 2], [3, 6])], max_abs_rel=1.0)
    assert found.scale == pytest.approx(3.0) and found.shift == 0.0
    assert (found.num_frames, found.num_pixels) == (3, 8)
    # After: frame 1 errs by 1/2, 1/2, 0; frame 2 by 1/4; frame 3 by 0.
    assert found.abs_rel == pytest.approx((1.0 / 3.0 + 0.25 + 0.0) / 3.0)
    assert found.abs_rel_before == pytest.approx(((0.5 + 0.5 + 2.0 / 3.0) / 3.0 + 0.75 + 2.0 / 3.0) / 3.0)
    assert found.frame_spread == pytest.approx(np.std(np.log([2.0 / 3.0, 4.0 / 3.0, 1.0])))


def test_a_third_of_wrong_pixels_does_not_move_a_metric_scale() -> None:
    rng = np.random.default_rng(1)
    output = rng.uniform(1.0, 8.0, 1000)
    reference = 1.2 * output * rng.normal(1.0, 0.01, 1000)
    reference[:330] = 0.3
    assert fit([frame(output, reference)], max_abs_rel=10.0).scale == pytest.approx(1.2, rel=0.02)


@pytest.mark.parametrize("quantity", ["depth", "disparity"])
@pytest.mark.parametrize(("scale", "shift"), [(2.0, 0.1), (0.004, 0.05), (0.5, -0.02)])
def test_relative_is_exact_on_exact_data(quantity: str, scale: float, shift: float) -> None:
    found = fit([scene(quantity, scale, shift, seed) for seed in range(3)], quantity)
    assert (found.scale, found.shift) == (pytest.approx(scale, rel=1e-6), pytest.approx(shift, rel=1e-6))
    assert found.abs_rel < 1e-6 and found.frame_spread < 1e-6
    assert found.abs_rel_before is None


@pytest.mark.parametrize("quantity", ["depth", "disparity"])
def test_a_fifth_of_wrong_pixels_does_not_move_a_relative_fit(quantity: str) -> None:
    """Wrong on one side and far off, as points behind glass are."""
    samples = scene(quantity, 0.5, 0.05)
    reference = samples.reference_N.copy()
    reference[: reference.size // 5] = 20.0
    found = fit([frame(samples.output_N, reference)], quantity, max_abs_rel=10.0)
    assert found.scale == pytest.approx(0.5, rel=1e-3) and found.shift == pytest.approx(0.05, rel=1e-2)


def test_two_taped_distances_give_both_unknowns() -> None:
    """Disparities 1 and 0.25 at outputs 10 and 4: 0.125 x - 0.25."""
    found = fit([frame([10.0] * 9 + [4.0] * 9, [1.0] * 9 + [4.0] * 9)], "disparity")
    assert found.scale == pytest.approx(0.125) and found.shift == pytest.approx(-0.25)


def test_the_same_data_give_the_same_numbers() -> None:
    frames = [scene("disparity", 0.5, 0.05, seed) for seed in range(2)]
    noisy = [
        frame(s.output_N + np.random.default_rng(5).normal(0, 0.05, s.output_N.size), s.reference_N) for s in frames
    ]
    assert fit(noisy, "disparity") == fit(noisy, "disparity")


def test_one_distance_does_not_give_two_unknowns() -> None:
    flat = frame(np.linspace(1, 2, 50), np.linspace(2.0, 2.9, 50))
    with pytest.raises(SourceError, match=r"between 2.04 m and 2.85 m; .*factor of 1.5"):
        fit([flat], "disparity")


@pytest.mark.parametrize("output", [np.linspace(1, 2, 50), np.full(50, 3.0)])
def test_an_output_that_does_not_grow_with_the_disparity_is_no_fit(output: NDArray[np.float64]) -> None:
    with pytest.raises(SourceError, match="does not grow with the reference's disparity"):
        fit([frame(output, np.linspace(1, 8, 50))], "disparity")


def test_a_residual_that_is_too_large_is_no_fit() -> None:
    rng = np.random.default_rng(2)
    unrelated = frame(rng.uniform(1, 8, 500), rng.uniform(1, 8, 500))
    with pytest.raises(SourceError, match=r"no fit: abs_rel is [01]\.\d+ with the best scale; accepted: 0.3 and less"):
        fit([unrelated])


def test_millimetres_taken_for_metres_are_told() -> None:
    with pytest.raises(SourceError, match=r"the scale would be 1e\+03; accepted: 0.02 to 50.0. Is .* in metres"):
        fit([frame([1.0, 2.0], [1000.0, 2000.0])])


def test_nothing_gives_nothing() -> None:
    with pytest.raises(SourceError, match="nothing to fit"):
        fit([])
