"""The stage ``evaluate``: one measurement of checkpoint, engine and node, gone on with where it stopped."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_anything_ros.depth_frame import CameraFrame
from depth_anything_ros.engine import load_engine
from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.fingerprint import image_dhash
from depth_anything_ros.pipeline import DepthPipeline, PipelineOptions
from depth_anything_ros.scale import network_focal_px
from tests.training.made import CAMERA, sample, tree_of, write_checkpoint
from tests.training.tiny_training import write_shards
from training import evaluate
from training.config import Recipe, recipe_from_dict
from training.evaluate import answer_of, run
from training.predictor import open_predictor
from training.sources import open_source


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


@pytest.fixture(scope="module")
def checkpoint(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("run") / "best.safetensors", shards)


def recipe_of(shards: Path, out: Path, **section: Any) -> Recipe:
    return recipe_from_dict(tree_of(shards, out, evaluate={"sources": ["scenes"], **section}), "test")


def figures_of(table: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((table.parent / "evaluation.json").read_text())
    return figures


def test_a_checkpoint_gets_a_table_figures_and_pictures(
    shards: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_of(shards, tmp_path / "out", model=str(checkpoint))
    table = run(recipe)
    assert {path.name for path in table.parent.glob("*_1.png")} == {"best_1.png", "median_1.png", "worst_1.png"}
    (group,) = figures_of(table)["groups"]
    assert (group["group"], group["frames"], group["seen_in_training"]) == ("scenes", 6, 0)
    assert group["unaligned"]["abs_rel"] >= group["affine"]["abs_rel"] > 0
    text = table.read_text()
    assert f"| scenes | 6 | unaligned | {group['unaligned']['abs_rel']:.3f} |" in text
    # A terminal shows no pictures.
    assert "![best_1](best_1.png)" in text and capsys.readouterr().out.strip() == text.partition("![")[0].strip()
    written = table.stat().st_mtime_ns
    assert run(recipe) == table and table.stat().st_mtime_ns == written


def test_a_relative_network_has_no_unaligned_figures(shards: Path, tmp_path: Path) -> None:
    teacher = write_checkpoint(tmp_path / "teacher.safetensors", shards, "relu")
    table = run(recipe_of(shards, tmp_path / "out", model=str(teacher)))
    (group,) = figures_of(table)["groups"]
    assert "unaligned" not in group and group["affine"]["coverage"] == 1.0
    assert "| scenes | 6 | unaligned | - |" in table.read_text()


def test_an_interrupted_evaluation_measures_only_the_rest(
    shards: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(recipe_of(shards, tmp_path / "whole", model=str(checkpoint), pictures=0))
    measured: list[str] = []
    original = evaluate.compare

    def counting(answer: Any, item: Any, *rest: Any, **options: Any) -> Any:
        measured.append(item.source)
        if len(measured) == 4:
            raise KeyboardInterrupt
        return original(answer, item, *rest, **options)

    monkeypatch.setattr(evaluate, "compare", counting)
    recipe = recipe_of(shards, tmp_path / "out", model=str(checkpoint), pictures=0)
    with pytest.raises(KeyboardInterrupt):
        run(recipe)
    with (tmp_path / "out" / "evaluate" / "frames.jsonl").open("a") as file:
        file.write('{"number": 0, "ind')  # killed while writing
    table = run(recipe)
    assert len(measured) == 7 and len(set(measured)) == 6
    assert (table.parent / "evaluation.json").read_text() == (whole.parent / "evaluation.json").read_text()


def test_another_network_of_the_same_name_is_measured_anew(shards: Path, tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model.safetensors", shards)
    recipe = recipe_of(shards, tmp_path / "out", model=str(model))
    first = figures_of(run(recipe))
    (tmp_path / "out" / "evaluate" / "DONE").unlink()
    write_checkpoint(tmp_path / "model.safetensors", shards, "sigmoid")
    assert figures_of(run(recipe))["groups"] != first["groups"]


def test_frames_that_the_network_was_trained_on_are_said(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_checkpoint(tmp_path / "model.safetensors", shards)
    hashes = (image_dhash(open_source("synthetic", str(shards), {})[2].image_HW3),)
    opened = evaluate.open_predictor

    def with_frames(*args: Any, **options: Any) -> Any:
        return dataclasses.replace(opened(*args, **options), trained_frames=hashes)

    monkeypatch.setattr(evaluate, "open_predictor", with_frames)
    table = run(recipe_of(shards, tmp_path / "out", model=str(model)))
    assert figures_of(table)["groups"][0]["seen_in_training"] >= 1
    assert "the network was trained on" in table.read_text()


def test_metres_are_those_of_the_node() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    item = sample(np.array(1.0)).replace(image_HW3=image)
    with load_engine("starter") as engine, open_predictor("starter") as predictor:
        pipeline = DepthPipeline(engine, PipelineOptions(edge_ratio=None))
        node = pipeline.run([CameraFrame(image, CAMERA, 0, "camera")])[0].depth_HW
        np.testing.assert_allclose(answer_of(predictor)(item), node, rtol=1e-6)


def test_the_same_pixels_with_twice_the_focal_length_are_twice_as_far(shards: Path, tmp_path: Path) -> None:
    near = sample(np.array(1.0), grey=90)
    far = near.replace(camera=dataclasses.replace(CAMERA, fx=120.0, fy=120.0))
    for head, factor in (("log_depth", 2.0), ("sigmoid", 1.0)):
        with open_predictor(write_checkpoint(tmp_path / f"{head}.safetensors", shards, head)) as predictor:
            answer = answer_of(predictor)
            np.testing.assert_allclose(answer(far), factor * answer(near), rtol=1e-5)
            # V2's metric heads know no focal length; an engine's spec may tell which one they answer for.
            if head == "sigmoid":
                told = answer_of(predictor, training_focal_px=network_focal_px(CAMERA, 28, 42))
                np.testing.assert_allclose(told(near), answer(near), rtol=1e-5)
                np.testing.assert_allclose(told(far), 2 * answer(near), rtol=1e-5)


def test_what_is_not_there_yet_is_told(shards: Path, tmp_path: Path) -> None:
    for model, message in (
        ("metric", "stage metric is not done"),
        ("export", "stage export is not done"),
        (str(tmp_path / "no.safetensors"), "no such checkpoint"),
    ):
        with pytest.raises(ConfigError, match=message):
            run(recipe_of(shards, tmp_path / "out", model=model))


def test_frames_without_depth_that_counts_are_told(shards: Path, checkpoint: Path, tmp_path: Path) -> None:
    recipe = recipe_of(shards, tmp_path / "out", model=str(checkpoint), min_depth_m=90)
    with pytest.raises(SourceError, match="none of 6 frames has depth that counts; the limits are 90 and 100 m"):
        run(recipe)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"sources": ["scene"]}, "evaluate.sources: no source 'scene' in data; did you mean scenes"),
        ({"sources": []}, "one or more labelled sources"),
        (
            {"by_source": {"scens": {"clip": True}}},
            "evaluate.by_source: no source 'scens' in data; did you mean scenes",
        ),
        ({"by_source": {"scenes": {"clp": True}}}, "by_source.scenes: unknown key 'clp'; did you mean clip"),
        ({"space": "log"}, "space 'log': depth or disparity"),
        ({"ranges_m": [2, 1]}, "ranges_m .2.0, 1.0.: ascending"),
        ({"pictures": -1}, "pictures -1"),
        ({"min_depth_m": 0}, "min_depth_m 0.0"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused_before_anything_runs(
    tmp_path: Path, section: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe_of(tmp_path / "shards", tmp_path / "out", **section)


def test_a_source_may_have_limits_of_its_own(tmp_path: Path) -> None:
    config = recipe_of(tmp_path, tmp_path, max_depth_m=80, by_source={"scenes": {"clip": True}}).section("evaluate")
    assert config.protocol("scenes").clip and config.protocol("scenes").max_depth_m == 80
    assert not config.protocol("other").clip
