"""Stages of a run: what is done is known by its content, and what is not done says which command makes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from depth_anything_ros.errors import ConfigError, SourceError
from training import stages
from training.config import Recipe, recipe_from_dict
from training.stages import checkpoint_of, fingerprint, is_done, needs_of, run_all, stage_folder


def make(folder: Path, **changes: Any) -> Recipe:
    scenes = {"kind": "synthetic", "path": str(folder / "x")}
    tree = {
        "name": "r", "out": str(folder), "network": {"size": "tiny"}, "encoder": "pretrain", "data": {"scenes": scenes},
        **{stage: {"sources": ["scenes"]} for stage in ("pretrain", "teacher", "student")},
        "pseudo_label": {"images": ["i"]}, "metric": {"sources": ["scenes"], "init": "student"}, **changes,
    }  # fmt: skip
    return recipe_from_dict(tree, "test")


def finish(recipe: Recipe, stage: str) -> None:
    folder = stage_folder(recipe, stage)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "DONE").write_text(json.dumps({"fingerprint": fingerprint(recipe, stage)}))


def test_a_stage_builds_on_what_it_names(tmp_path: Path) -> None:
    recipe = make(tmp_path)
    assert needs_of(recipe, "pretrain") == ()
    assert needs_of(recipe, "teacher") == ("pretrain",)
    assert needs_of(recipe, "pseudo_label") == ("teacher",)
    assert set(needs_of(recipe, "student")) == {"pretrain", "pseudo_label"}
    assert needs_of(recipe, "metric") == ("student", "pretrain")


def test_a_change_reaches_every_stage_that_builds_on_it_and_no_other(tmp_path: Path) -> None:
    before = make(tmp_path)
    after = make(tmp_path, teacher={"sources": ["scenes"], "steps": 7})
    changed = [stage for stage in before.stages() if fingerprint(before, stage) != fingerprint(after, stage)]
    assert changed == ["teacher", "pseudo_label", "student", "metric"]


def test_data_that_a_stage_does_not_name_is_nothing_to_it(tmp_path: Path) -> None:
    scenes = {"kind": "synthetic", "path": str(tmp_path / "x")}
    before, more = make(tmp_path), make(tmp_path, data={"scenes": scenes, "other": {"kind": "synthetic", "path": "y"}})
    assert fingerprint(before, "metric") == fingerprint(more, "metric")
    moved = make(tmp_path, data={"scenes": {**scenes, "path": "y"}})
    assert [stage for stage in before.stages() if fingerprint(before, stage) == fingerprint(moved, stage)] == []


def test_how_it_is_computed_does_not_change_what_is_done(tmp_path: Path) -> None:
    before, after = make(tmp_path), make(tmp_path, compute={"workers": 3, "precision": "bf16"}, description="x")
    assert [fingerprint(before, stage) for stage in before.stages()] == [
        fingerprint(after, stage) for stage in after.stages()
    ]


def test_done_is_done_for_exactly_this_recipe(tmp_path: Path) -> None:
    recipe = make(tmp_path)
    assert not is_done(recipe, "teacher")
    finish(recipe, "teacher")
    assert is_done(recipe, "teacher")
    assert not is_done(make(tmp_path, seed=1), "teacher")
    (stage_folder(recipe, "teacher") / "DONE").write_text("")
    assert not is_done(recipe, "teacher")


def test_a_checkpoint_is_a_stage_that_is_done_or_a_file(tmp_path: Path) -> None:
    recipe = make(tmp_path)
    with pytest.raises(ConfigError, match="stage teacher is not done; run it first: python -m training teacher"):
        checkpoint_of(recipe, "teacher")
    finish(recipe, "teacher")
    folder = stage_folder(recipe, "teacher")
    (folder / "last.safetensors").touch()
    assert checkpoint_of(recipe, "teacher").name == "last.safetensors"
    (folder / "best.safetensors").touch()
    assert checkpoint_of(recipe, "teacher").name == "best.safetensors"
    assert checkpoint_of(recipe, str(folder / "last.safetensors")) == folder / "last.safetensors"
    with pytest.raises(ConfigError, match="no such checkpoint, and no stage"):
        checkpoint_of(recipe, "techer")


def test_a_stage_of_other_values_is_not_built_on_but_may_be_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = make(tmp_path)
    finish(recipe, "teacher")
    (stage_folder(recipe, "teacher") / "last.safetensors").touch()
    changed = make(tmp_path, teacher={"sources": ["scenes"], "learning_rate": 1.0})
    with pytest.raises(ConfigError, match="stage teacher was done with other values than the recipe has now"):
        checkpoint_of(changed, "teacher")
    assert checkpoint_of(changed, "teacher", strict=False).name == "last.safetensors"
    assert "note: " in capsys.readouterr().out


def test_run_does_the_stages_in_order_and_skips_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, ran = make(tmp_path), []

    def run_stage(recipe: Recipe, stage: str) -> Path:
        ran.append(stage)
        return stage_folder(recipe, stage)

    monkeypatch.setattr(stages, "run_stage", run_stage)
    finish(recipe, "teacher")
    run_all(recipe)
    assert ran == ["pretrain", "pseudo_label", "student", "metric"]
    assert "teacher: done already in" in capsys.readouterr().out


def test_data_that_is_not_there_ends_a_run_before_its_first_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {"kind": "synthetic", "path": str(tmp_path / "gone")}
    recipe = make(tmp_path / "run", evaluate={"sources": [gone]})
    monkeypatch.setattr(stages, "run_stage", stage_folder)
    with pytest.raises(SourceError, match="gone: no complete set of shards"):
        run_all(recipe)
    finish(recipe, "evaluate")
    run_all(recipe)
