"""Stage ``evaluate``: the core's metrics on RGB-D frames, unaligned and median-scaled, one row per camera.

A prediction is any function from a sample to metres at the sample's size, so that a network in training, an exported
engine and an answer that ignores the image are measured by the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from depth_anything_ros.errors import SourceError
from depth_anything_ros.metrics import Alignment, depth_metrics
from depth_anything_ros.networks import DepthNetwork
from depth_anything_ros.preprocess import network_size
from depth_anything_ros.spec import ResizeRule

from .augment import fit_sample
from .samples import DepthSample

Predictor = Callable[[DepthSample], NDArray[np.float32]]
ALIGNMENTS: tuple[tuple[str, Alignment], ...] = (("", "none"), ("median_", "median"))


def network_predictor(network: DepthNetwork, rule: ResizeRule) -> Predictor:
    """Metres (H, W) of a sample by a torch network, upsampled bilinearly; sky stays finite, it is not truth here."""

    def predict(sample: DepthSample) -> NDArray[np.float32]:
        height, width = network_size(sample.camera.width, sample.camera.height, rule)
        small = fit_sample(sample, height=height, width=width)
        with torch.inference_mode():
            depth = network(torch.from_numpy(small.image_HW3)[None])[0][0].numpy()
        metres = depth * np.float32(small.camera.focal_px / network.config.canonical_focal_px)
        return np.asarray(
            cv2.resize(metres, (sample.camera.width, sample.camera.height), interpolation=cv2.INTER_LINEAR)
        )

    return predict


def score(predict: Predictor, samples: Sequence[DepthSample], *, max_depth_m: float = 100.0) -> dict[str, float]:
    """Mean over the samples of abs_rel, rmse, delta1 and silog, unaligned and (prefix ``median_``) median-scaled."""
    rows: list[dict[str, float]] = []
    for sample in samples:
        prediction = predict(sample)
        row: dict[str, float] = {}
        for prefix, alignment in ALIGNMENTS:
            metrics = depth_metrics(
                prediction, sample.depth_HW, min_depth_m=0.1, max_depth_m=max_depth_m, alignment=alignment
            )
            if metrics is None:
                raise SourceError(f"{sample.source}: no valid depth to compare with")
            for name in ("abs_rel", "rmse", "delta1", "silog"):
                row[prefix + name] = float(getattr(metrics, name))
        rows.append(row)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
