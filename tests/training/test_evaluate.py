"""Evaluation: the numbers of a known error, and metres that follow the camera's focal length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import SourceError
from depth_anything_ros.networks import NetworkConfig, build_network
from depth_anything_ros.spec import ResizeRule
from tests.training.test_baselines import ramp, sample
from tests.training.tiny_training import TINY_NETWORK
from training.evaluate import network_predictor, score
from training.samples import DepthSample


def test_a_wrong_scale_shows_unaligned_and_vanishes_after_median_scaling() -> None:
    truth = sample(ramp(6, 2))
    figures = score(lambda item: item.depth_HW * np.float32(1.2), [truth])
    assert figures["abs_rel"] == pytest.approx(0.2, abs=1e-5)
    assert figures["median_abs_rel"] == pytest.approx(0, abs=1e-5)
    assert figures["silog"] == pytest.approx(0, abs=1e-3)


def test_frames_count_alike_whatever_their_number_of_valid_pixels() -> None:
    dense, sparse = sample(np.array(2.0)), sample(np.array(2.0))
    sparse.depth_HW[1:] = np.nan
    answers = {id(dense): 2.0, id(sparse): 4.0}
    figures = score(lambda item: np.full((48, 64), answers[id(item)], np.float32), [dense, sparse])
    assert figures["abs_rel"] == pytest.approx(0.5)


def test_a_frame_without_truth_is_an_error_and_not_a_nan() -> None:
    with pytest.raises(SourceError, match="no valid depth"):
        score(lambda item: item.depth_HW, [sample(np.array(np.nan))])


def test_the_same_pixels_with_twice_the_focal_length_are_twice_as_far() -> None:
    network = build_network(NetworkConfig.from_dict(TINY_NETWORK), seed=1).eval()
    predict = network_predictor(network, ResizeRule(kind="short_side", side=28))
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    depths = []
    for focal in (50.0, 100.0):
        camera = CameraModel(width=64, height=48, fx=focal, fy=focal, cx=31.5, cy=23.5)
        depths.append(predict(DepthSample(image, np.ones((48, 64), np.float32), camera, "made", sky_known=False)))
    np.testing.assert_allclose(depths[1], 2 * depths[0], rtol=1e-5)
    with torch.inference_mode():
        raw = network(torch.from_numpy(np.ascontiguousarray(image[:28, :42]))[None])[0]
    assert depths[0].shape == (48, 64) and torch.isfinite(raw).all()
