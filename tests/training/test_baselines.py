"""Answers that ignore the image, and the swap that takes the image away from a network, on known scenes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.made import ramp, sample
from training.baselines import best_constant, best_ramp, other_images, training_map
from training.samples import DepthSample
from training.scores import score


def test_the_maps_are_mean_and_median_and_fill_what_was_never_seen() -> None:
    frames = [sample(np.full((48, 64), value)) for value in (1.0, 2.0, 6.0)]
    for frame in frames:
        frame.depth_HW[:, :20] = np.nan
    frames[0].depth_HW[:, 20:30] = np.nan
    mean, median = (training_map(frames, reduce)(frames[0]) for reduce in (np.nanmean, np.nanmedian))
    assert mean[24, 50] == pytest.approx(3.0) and median[24, 50] == pytest.approx(2.0)
    assert mean[24, 25] == pytest.approx(4.0)
    assert np.isfinite(mean).all() and mean[24, 3] == pytest.approx(4.0)


def test_the_best_constant_of_a_wall_is_its_distance() -> None:
    assert best_constant([sample(np.array(2.5))])(sample(np.array(9.0)))[0, 0] == pytest.approx(2.5, rel=0.02)


@pytest.mark.parametrize("inverse", [False, True])
def test_the_best_ramp_finds_a_ramp_and_its_scale(inverse: bool) -> None:
    depth = 1 / ramp(1 / 6, 1 / 2) if inverse else ramp(6, 2)
    truth = sample(depth)
    assert score(best_ramp([truth]), [truth])["abs_rel"] < 0.03
    assert score(best_constant([truth]), [truth])["abs_rel"] > 0.2


def test_a_network_that_ignores_the_image_gains_nothing_from_the_right_one() -> None:
    truth, donor = sample(ramp(6, 2), grey=10), sample(ramp(2, 6), grey=200)

    def blind(item: DepthSample) -> np.ndarray:
        return np.full((48, 64), 3.0, np.float32)

    def seeing(item: DepthSample) -> np.ndarray:
        return truth.depth_HW if item.image_HW3.mean() < 100 else donor.depth_HW

    assert other_images(blind, [donor])([truth]) == score(blind, [truth])
    assert score(seeing, [truth])["abs_rel"] == pytest.approx(0, abs=1e-6)
    assert other_images(seeing, [donor])([truth])["abs_rel"] > 0.5
