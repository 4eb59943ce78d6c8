"""What a stage checks of its sources, and what its checkpoint says of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.fingerprint import image_dhash
from tests.training.made import ramp, sample
from tests.training.sources.test_frames import write_index
from tests.training.tiny_training import tiny_recipe, write_shards
from training import stage_data
from training.export import terms
from training.fit_config import SourceConfig
from training.samples import DepthSample
from training.sources import open_source
from training.stage_configs import ExportConfig
from training.start_weights import checkpoint_rule


def planes(path: str = "x", **changes: int) -> SourceConfig:
    return SourceConfig(kind="synthetic", path=path, **changes)


@pytest.mark.parametrize(
    ("source", "held_out", "overlaps"),
    [
        (planes(), planes(), True),
        (planes(last=9), planes(first=10), False),
        (planes(last=10), planes(first=10), True),
        (planes(first=5, last=9), planes(last=4), False),
        (planes(first=5), planes(last=5), True),
        (planes("x"), planes("y"), False),
        (planes("x"), planes("./x"), True),
        (planes(), SourceConfig(kind="frames", path="x"), False),
    ],
)
def test_what_is_validated_on_is_not_trained_on(source: SourceConfig, held_out: SourceConfig, overlaps: bool) -> None:
    if overlaps:
        with pytest.raises(ConfigError, match=r"metric\.validation: synthetic .* is trained on as well"):
            stage_data.refuse_overlap([source], [held_out], "metric")
    else:
        stage_data.refuse_overlap([source], [held_out], "metric")


def test_a_probe_looks_across_the_whole_source(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Mostly:
        def __len__(self) -> int:
            return 1000

        def __getitem__(self, index: int) -> DepthSample:
            asked.append(index)
            return sample(ramp(1, 2) if index == 999 else np.full((1, 1), np.nan))

    monkeypatch.setattr(stage_data, "open_source", lambda *_, **__: Mostly())
    stage_data.probe([planes()])
    assert len(asked) == stage_data.PROBES and asked[0] == 0 and asked[-1] == 999


def test_relative_depth_is_refused_where_metres_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    relative = [sample(ramp(1, 2), is_metric=False)]
    monkeypatch.setattr(stage_data, "open_source", lambda *_, **__: relative)
    stage_data.probe([planes()])
    with pytest.raises(SourceError, match="made: depth without metres; the stage metric accepts metric depth"):
        stage_data.probe([planes()], metric=True)


def test_metres_without_intrinsics_are_refused_by_what_they_lack(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    for name, picture in (("images/a.jpg", np.zeros((8, 8, 3), np.uint8)), ("depth/a.png", np.ones((8, 8), np.uint16))):
        (folder / name).parent.mkdir(parents=True)
        cv2.imwrite(str(folder / name), picture)
    source = SourceConfig(kind="folder", path=str(folder))
    with pytest.raises(SourceError, match=r"own/images/a: a camera without intrinsics; the stage metric accepts .* fx"):
        stage_data.probe([source], metric=True)
    stage_data.probe([source])


def test_a_checkpoint_names_its_sources_and_the_frames_that_it_has_seen(tmp_path: Path) -> None:
    shards, index = write_shards(tmp_path / "shards"), write_index(tmp_path)
    recipe = tiny_recipe(shards, tmp_path, metric={"init": "start.safetensors"}, encoder="dinov2.pth")
    frames = SourceConfig(kind="frames", path=str(index), options={"dataset": "made"}, last=0)
    earlier = {"trained_frames": ["dhash:0123456789abcdef"], "provenance": {"recipe": "first", "sources": "bag b"}}
    sources = (*recipe.sources(["planes"]), frames)
    meta = stage_data.checkpoint_meta(recipe, "metric", sources, quantity="depth", init=earlier)
    image = open_source("frames", str(index), {"dataset": "made"})[0].image_HW3
    assert meta["trained_frames"] == sorted({image_dhash(image), "dhash:0123456789abcdef"})
    assert meta["quantity"] == "depth"
    provenance = meta["provenance"]
    assert provenance["sources"] == f"synthetic {shards} 0..3; frames {index} dataset=made 0..0"
    assert (provenance["recipe"], provenance["stage"], provenance["encoder"]) == ("tiny", "metric", "dinov2.pth")
    assert (provenance["init"], provenance["init_sources"]) == ("start.safetensors first", "bag b")
    assert all(isinstance(value, str) for value in provenance.values())


def test_a_source_too_large_to_trace_is_named_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_data, "MAX_TRACED", 1)
    frames = SourceConfig(kind="frames", path=str(write_index(tmp_path)), options={"dataset": "made"})
    assert stage_data.trained_frames([frames]) == set()


def test_terms_that_bind_are_handed_down_and_permissive_ones_are_not(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, tmp_path, metric={"init": "x"})
    bound = {"id": "CC-BY-NC-4.0", "category": "non-commercial", "source": "its card"}
    free = {**bound, "id": "Apache-2.0", "category": "permissive"}
    metas = [
        stage_data.checkpoint_meta(recipe, "metric", [], quantity="depth", init={"licence": licence})
        for licence in (bound, free)
    ]
    assert metas[0]["licence"] == bound and "licence" not in metas[1]
    assert terms(ExportConfig(), metas[0], "r").id == "CC-BY-NC-4.0"
    assert terms(ExportConfig(), metas[1], "r").id == "Apache-2.0"
    assert terms(ExportConfig(licence="MIT"), metas[0], "r").id == "MIT"


def test_an_encoder_alone_has_no_depth_to_export_or_to_label_with() -> None:
    with pytest.raises(ConfigError, match="stage pretrain trains an encoder alone"):
        checkpoint_rule({"stage": "pretrain", "recipe": {}}, Path("last.safetensors"))
