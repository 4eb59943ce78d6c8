"""``HeldOut``: the labelled samples that a training is judged on, every one of them once."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from depth_anything_ros.networks import DepthNetwork
from depth_anything_ros.preprocess import network_size
from depth_anything_ros.spec import ResizeRule

from .augment import fit_sample
from .config import Recipe
from .samples import DepthSample, SampleSource
from .scores import Answer, Protocol, score
from .stage_data import name_of, opened

_COLOURS = cv2.COLORMAP_INFERNO


class HeldOut:
    """The sources of a stage's ``validation``, and the figures of a network on them. The network's size is that of the
    largest short side trained at; how often the loop asks, and in how many processes it trains, changes no figure.
    Raises ``SourceError`` for a source whose first sample has no depth.
    """

    def __init__(self, recipe: Recipe, stage: str, *, protocol: Protocol | None = None) -> None:
        section = recipe.section(stage)
        self._sources: dict[str, SampleSource] = {
            item if isinstance(item, str) else name_of(item): opened(recipe.sources([item])[0])
            for item in section.validation
        }
        self._rule = ResizeRule(kind="short_side", side=max(section.short_sides), interpolation=recipe.interpolation)
        self._protocol = protocol or Protocol()
        for source in self._sources.values():
            # A set of disparity is refused now, and not at the first checkpoint.
            self._protocol.truth(source[0])

    def __bool__(self) -> bool:
        return bool(self._sources)

    def figures(self, network: DepthNetwork, names: Sequence[str]) -> dict[str, float]:
        """The ``names`` of ``scores.score``: the mean over the sources, by their numbers of samples, and where there
        are several also that of each (``source/name``).
        """
        output = "disparity" if network.config.head == "relu" else "metres"
        result: dict[str, float] = {}
        weights = np.array([len(source) for source in self._sources.values()], dtype=np.float64)
        answer = self._answer_of(network)
        rows = [score(answer, source, protocol=self._protocol, output=output) for source in self._sources.values()]
        for name in names:
            result[name] = float(np.average([row[name] for row in rows], weights=weights))
            if len(rows) > 1:
                result |= {f"{source}/{name}": row[name] for source, row in zip(self._sources, rows, strict=True)}
        return result

    def _answer_of(self, network: DepthNetwork) -> Answer:
        def answer(sample: DepthSample) -> NDArray[np.float32]:
            size = (sample.camera.width, sample.camera.height)
            height, width = network_size(*size, self._rule)
            small = fit_sample(sample, height=height, width=width, interpolation=self._rule.interpolation)
            values = network_values(network, small)
            return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)

        return answer


def network_values(network: DepthNetwork, sample: DepthSample) -> NDArray[np.float32]:
    """Metres of the sample's camera, or disparity, (h, w), of a sample at the network's size; sky stays finite."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        values = network(torch.from_numpy(sample.image_HW3)[None].to(device))[0][0].float().cpu().numpy()
    if network.config.has_sky:
        values = values * np.float32(sample.camera.focal_px / network.config.canonical_focal_px)
    return np.asarray(values, np.float32)


def side_by_side(image_hw3: torch.Tensor, *disparities_hw: torch.Tensor) -> NDArray[np.uint8]:
    """The image and coloured maps next to each other, (h, w * count, 3) RGB; maps larger where nearer, NaN black."""
    parts = [image_hw3.cpu().numpy()]
    for map_hw in disparities_hw:
        values = map_hw.detach().float().cpu().numpy()
        known = np.isfinite(values)
        low, high = np.percentile(values[known], (2, 98)) if known.any() else (0.0, 1.0)
        grey = np.clip((np.where(known, values, low) - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
        coloured = cv2.cvtColor(cv2.applyColorMap(grey, _COLOURS), cv2.COLOR_BGR2RGB)
        parts.append(np.where(known[..., None], coloured, 0).astype(np.uint8))
    return np.concatenate(parts, axis=1)
