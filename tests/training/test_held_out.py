"""Held-out figures: every sample once, in the camera's metres or affine-aligned, by the core's metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from depth_anything_ros.errors import SourceError
from depth_anything_ros.networks import NetworkConfig
from tests.training.made import ramp, sample
from tests.training.tiny_training import TINY_NETWORK, tiny_recipe
from training import held_out
from training.held_out import HeldOut, side_by_side
from training.samples import DepthSample


class Fixed(nn.Module):
    """Answers with the ramp that ``made.sample`` has as its truth, times a factor; counts how often it is asked."""

    def __init__(self, head: str, factor: float = 1.0) -> None:
        super().__init__()
        self.config = NetworkConfig.from_dict({**TINY_NETWORK, "head": head})
        self.factor, self.asked = nn.Parameter(torch.tensor(factor)), 0

    def forward(self, image_nhw3: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.asked += 1
        height, width = image_nhw3.shape[1:3]
        rows = (torch.arange(height) + 0.5) * 48 / height - 0.5
        metres = 2 + 4 * rows.clamp(0, 47) / 47
        values = metres if self.config.head == "log_depth" else 1 / metres
        return (self.factor * values[None, :, None].expand(1, height, width),)


def held(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, samples: dict[str, list[DepthSample]], **section: object
) -> HeldOut:
    monkeypatch.setattr(held_out, "opened", lambda item: samples[item.path])
    data = {name: {"kind": "synthetic", "path": name} for name in samples}
    values = {"validation": list(samples), "sources": [], "short_sides": [42], **section}
    return HeldOut(tiny_recipe(tmp_path, tmp_path, data=data, metric=values), "metric")


def test_metres_are_those_of_the_samples_camera(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The sample's focal length of 60 px is 52.5 px at a short side of 42: what answers for 300 px is 5.7 times far."""
    right = 300 / (60 * 42 / 48)
    for factor, expected in ((right, 0.0), (1.25 * right, 0.25)):
        figures = held(monkeypatch, tmp_path, {"a": [sample(ramp(2, 6))]}).figures(
            Fixed("log_depth", factor),  # type: ignore[arg-type]
            ("abs_rel", "median_abs_rel"),
        )
        assert figures["abs_rel"] == pytest.approx(expected, abs=0.01)
        assert figures["median_abs_rel"] == pytest.approx(0, abs=0.01)


def test_disparity_is_aligned_before_it_is_judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    network = Fixed("relu", 37.0)
    figures = held(monkeypatch, tmp_path, {"a": [sample(ramp(2, 6))]}).figures(network, ("affine_abs_rel",))  # type: ignore[arg-type]
    assert figures == {"affine_abs_rel": pytest.approx(0, abs=0.01)}


def test_every_sample_counts_once_whatever_source_it_is_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    near, far = sample(ramp(2, 6)), sample(2 * ramp(2, 6))
    network = Fixed("log_depth", 300 / 52.5)
    figures = held(monkeypatch, tmp_path, {"a": [near] * 3, "b": [far]}).figures(network, ("abs_rel",))  # type: ignore[arg-type]
    assert network.asked == 4
    assert figures["a/abs_rel"] == pytest.approx(0, abs=0.01) and figures["b/abs_rel"] == pytest.approx(0.5, abs=0.01)
    assert figures["abs_rel"] == pytest.approx((3 * figures["a/abs_rel"] + figures["b/abs_rel"]) / 4)


def test_a_frame_without_truth_is_left_out_and_nothing_else_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty, good = sample(np.full((1, 1), np.nan)), sample(ramp(2, 6))
    network = Fixed("log_depth", 300 / 52.5)
    figures = held(monkeypatch, tmp_path, {"a": [empty, good]}).figures(network, ("abs_rel",))  # type: ignore[arg-type]
    assert figures["abs_rel"] == pytest.approx(0, abs=0.01)
    with pytest.raises(SourceError, match="no valid depth to compare with, in none of 2 samples"):
        held(monkeypatch, tmp_path, {"a": [empty, empty]}).figures(network, ("abs_rel",))  # type: ignore[arg-type]


def test_without_sources_there_is_nothing_to_judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not held(monkeypatch, tmp_path, {})


def test_a_picture_holds_the_image_and_every_map() -> None:
    image = torch.full((28, 42, 3), 200, dtype=torch.uint8)
    near = torch.linspace(0, 1, 42).expand(28, 42).clone()
    near[0] = float("nan")
    picture = side_by_side(image, near, torch.full((28, 42), float("nan")))
    assert picture.shape == (28, 3 * 42, 3) and picture.dtype == np.uint8
    assert (picture[:, :42] == 200).all() and (picture[0, 42:] == 0).all() and (picture[:, 84:] == 0).all()
    assert picture[5, 83].sum() > picture[5, 42].sum()


def test_a_set_without_depth_is_refused_before_a_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    disparity = sample(ramp(2, 6)).replace(quantity="disparity", is_metric=False)
    with pytest.raises(SourceError, match="holds disparity; samples of depth are accepted here"):
        held(monkeypatch, tmp_path, {"a": [sample(ramp(2, 6))], "b": [disparity]})
