"""Batches: a function of the step and the position alone, with what each loss needs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ConfigError, SourceError
from tests.training.sources.test_frames import write_index
from training.batches import LabelledBatches, SampleDraw, batch_size_px, collate
from training.fit_config import FitConfig, SourceConfig
from training.samples import DepthSample


def shards(folder: Path, count: int, brightness: int) -> SourceConfig:
    folder.mkdir()
    np.savez(
        folder / "shard_00000.npz", images=np.full((count, 40, 56, 3), brightness, np.uint8),
        depths=np.full((count, 40, 56), 2.0, np.float16), seeds=np.arange(count), kinds=np.array(["room"] * count),
        intrinsics=np.tile(np.array([50, 50, 27.5, 19.5], np.float32), (count, 1)),
    )  # fmt: skip
    (folder / "index.json").write_text(json.dumps({"shards": [{"name": "shard_00000.npz"}]}))
    return SourceConfig(kind="synthetic", path=str(folder))


def test_a_batch_is_the_same_however_it_is_shared_out(tmp_path: Path) -> None:
    config = FitConfig(short_sides=(28,), aspects=(1.0, 1.5), batch_size=6)
    source = shards(tmp_path / "a", 5, 100)
    batches = LabelledBatches(config, [source], seed=3, interpolation="area")
    whole = batches.batch(4, range(6))
    parts = [batches.batch(4, range(0, 2)), batches.batch(4, range(2, 6))]
    for name, tensor in vars(whole).items():
        assert torch.equal(tensor, torch.cat([getattr(part, name) for part in parts])), name
    assert whole.image_nhw3.shape[0] == 6 and whole.image_nhw3.shape[1] == 28
    assert {batch_size_px(config, seed=3, step=step) for step in range(20)} == {(28, 28), (28, 42)}


def test_a_tall_aspect_gives_tall_batches() -> None:
    config = FitConfig(short_sides=(28,), aspects=(0.5,))
    assert batch_size_px(config, seed=0, step=0) == (56, 28)


def test_without_weights_every_sweep_sees_each_sample_once(tmp_path: Path) -> None:
    drawn = SampleDraw([shards(tmp_path / "a", 3, 10), shards(tmp_path / "b", 4, 20)], seed=0, batch_size=7)
    for step in range(3):
        values = [int(drawn.sample(step, position).image_HW3[0, 0, 0]) for position in range(7)]
        assert sorted(values) == [10] * 3 + [20] * 4


def test_weights_share_the_batch_whatever_the_sizes(tmp_path: Path) -> None:
    few, many = shards(tmp_path / "a", 1, 10), shards(tmp_path / "b", 9, 20)
    weighted = [SourceConfig(kind=item.kind, path=item.path, weight=1.0) for item in (few, many)]
    drawn = SampleDraw(weighted, seed=0, batch_size=100)
    share = np.mean([drawn.sample(0, position).image_HW3[0, 0, 0] == 10 for position in range(100)])
    assert share == pytest.approx(0.5, abs=0.15)


def test_a_source_that_would_never_be_drawn_is_refused(tmp_path: Path) -> None:
    weighted = SourceConfig(kind="synthetic", path=str(tmp_path / "a"), weight=1.0)
    shards(tmp_path / "a", 1, 10)
    with pytest.raises(ConfigError, match=r"source synthetic .*b: no weight.*a weight for all or for none"):
        SampleDraw([weighted, shards(tmp_path / "b", 1, 20)], seed=0, batch_size=2)


def test_depth_disparity_sky_and_unknown_reach_their_tensors() -> None:
    camera = CameraModel(width=2, height=2, fx=4, fy=6, cx=0.5, cy=0.5)
    image = np.zeros((2, 2, 3), np.uint8)
    depth = np.array([[2, np.inf], [np.nan, 0]], np.float32)
    known = DepthSample(image, depth, camera, "known", sky_known=True)
    unknown = DepthSample(image, depth, camera, "unknown", sky_known=False)
    relative = DepthSample(
        image, np.array([[3, 0], [np.nan, 1]], np.float32), camera, "relative", sky_known=False, is_metric=False,
        quantity="disparity", camera_known=False,
    )  # fmt: skip
    batch = collate([known, unknown, relative])
    assert batch.valid_nhw.tolist() == [[[True, False], [False, False]]] * 2 + [[[False, False], [False, False]]]
    assert batch.depth_nhw[0].tolist() == [[2, 0], [0, 0]]
    assert batch.disparity_nhw[0].tolist() == [[0.5, 0], [0, 0]]  # sky is infinitely far: disparity 0, and valid
    assert batch.disparity_valid_nhw[0].tolist() == [[True, True], [False, False]]
    assert batch.disparity_nhw[2].tolist() == [[3, 0], [0, 1]] and batch.disparity_valid_nhw[2].sum() == 3
    assert batch.sky_known_nhw[0].tolist() == [[True, True], [False, True]]
    assert batch.sky_known_nhw[1].tolist() == [[True, False], [False, False]]
    assert known.sky_HW is not None and known.sky_HW.tolist() == [[False, True], [False, False]]
    assert unknown.sky_HW is None
    assert batch.focal_px_n.tolist() == [5, 5, 5] and batch.is_metric_n.tolist() == [True, True, False]


def test_metric_depth_without_a_camera_is_refused() -> None:
    camera = CameraModel(width=1, height=1, fx=1, fy=1, cx=0, cy=0)
    image, depth = np.zeros((1, 1, 3), np.uint8), np.ones((1, 1), np.float32)
    for wrong in ({"camera_known": False}, {"quantity": "disparity"}):
        with pytest.raises(Exception, match="metric depth needs"):
            DepthSample(image, depth, camera, "s", False, **wrong)  # type: ignore[arg-type]


def test_rendered_scenes_of_some_kinds(tmp_path: Path) -> None:
    source = shards(tmp_path / "a", 4, 10)
    with np.load(tmp_path / "a" / "shard_00000.npz") as data:
        kinds = np.array(["room", "outdoor", "room", "tabletop"])
        np.savez(tmp_path / "a" / "shard_00000.npz", **{**data, "kinds": kinds})
    rooms = SourceConfig(kind="synthetic", path=source.path, options={"kinds": ["room"]})
    drawn = SampleDraw([rooms], seed=0, batch_size=2)
    assert sorted(drawn.sample(0, position).source for position in range(2)) == ["synthetic/0", "synthetic/2"]
    with pytest.raises(ConfigError, match="kinds 'rooms': did you mean room"):
        SampleDraw([SourceConfig(kind="synthetic", path="x", options={"kinds": ["rooms"]})], seed=0, batch_size=1)


def test_a_source_that_is_empty_unknown_or_has_other_options_is_one_line(tmp_path: Path) -> None:
    index = str(write_index(tmp_path))
    for source, kind, message in (
        (SourceConfig(kind="frames", path=index, first=5), SourceError, "no samples 5 to the end of kind frames"),
        (SourceConfig(kind="frame", path=index), ConfigError, "sources.kind 'frame'; did you mean frames"),
        (SourceConfig(kind="frames", path=index, options={"datset": "x"}), ConfigError, "did you mean dataset"),
        (SourceConfig(kind="synthetic", path=str(tmp_path / "no")), SourceError, "no complete set of shards"),
    ):
        with pytest.raises(kind, match=message):
            SampleDraw([source], seed=0, batch_size=1)


def test_a_part_of_a_source_counts_from_its_first(tmp_path: Path) -> None:
    source = SourceConfig(kind="frames", path=str(write_index(tmp_path)), first=1, last=1, options={"dataset": "made"})
    drawn = SampleDraw([source], seed=0, batch_size=1)
    assert len(drawn) == 1 and drawn.sample(0, 0).source == "made/8"
