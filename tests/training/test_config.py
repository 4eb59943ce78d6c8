"""Recipes: every shipped one loads, a wrong one says what is wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from depth_anything_ros.errors import ConfigError
from training.config import STAGES, Recipe, load_recipe, recipe_from_dict, recipe_to_dict
from training.fit_config import FitConfig
from training.run_dir import DISTRIBUTED
from training.sources.synthetic import FIRST_TRAINING_SEED

RECIPES = sorted((Path(__file__).resolve().parents[2] / "training" / "recipes").glob("*.yaml"))


def recipe(**changes: Any) -> dict[str, Any]:
    tree = {
        "name": "r", "out": "build/r", "network": {"size": "tiny"},
        "data": {"scenes": {"kind": "synthetic", "path": "x", "weight": 1}}, "teacher": {"sources": ["scenes"]},
    }  # fmt: skip
    return {**tree, **changes}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_load_and_survive_a_round_trip(path: Path) -> None:
    config = load_recipe(path)
    assert config.name == path.stem
    assert recipe_from_dict(recipe_to_dict(config), "round trip") == config


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_what_a_recipe_says_to_run_can_be_run(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if found := re.search(r"#.*-m training (\w+) --recipe (\S+)", line):
            told = load_recipe(path.parents[2] / found[2])
            assert found[1] in ("run", *told.stages())
            assert "torchrun" not in line or found[1] in DISTRIBUTED


def test_no_shipped_recipe_trains_on_frames_that_are_kept_for_tests() -> None:
    assert RECIPES
    allowed = {"hololens_seq": 59, "apc_realsense": 5}
    for path in RECIPES:
        config = load_recipe(path)
        for stage in config.stages():
            section = config.section(stage)
            if not isinstance(section, FitConfig):
                continue
            for source in config.sources((*section.sources, *section.validation)):
                if source.kind == "frames":
                    assert 0 <= source.first <= source.last <= allowed[source.options["dataset"]], (path.name, source)
    assert FIRST_TRAINING_SEED >= 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"techer": {}}, "unknown key 'techer'; did you mean teacher"),
        ({"teacher": {"learning_rte": 1}}, r"teacher: unknown key 'learning_rte'; did you mean learning_rate"),
        ({"teacher": {"augment": {"flop": 1}}}, "did you mean flip"),
        ({"teacher": {"steps": 0}}, "teacher: steps 0"),
        ({"teacher": {"steps": "many"}}, "teacher: steps: 'many'; a whole number"),
        ({"teacher": {"steps": True}}, "teacher: steps: True; a whole number"),
        ({"teacher": {"short_sides": [30]}}, "short_sides 30"),
        ({"teacher": {"short_sides": [28, 42]}}, "side_shares"),
        ({"teacher": {"short_sides": 28}}, "a list is accepted, not 28"),
        ({"teacher": {"aspects": [0]}}, "aspects"),
        ({"teacher": {"schedule": "pol"}}, "schedule 'pol': did you mean poly"),
        ({"data": {}}, "teacher.sources: no source 'scenes' in data; known: none"),
        ({"teacher": {"sources": ["scene"]}}, "no source 'scene' in data; did you mean scenes"),
        ({"teacher": {"validation": ["scene"]}}, "teacher.validation: no source 'scene' in data; did you mean scenes"),
        ({"student": {"pseudo": ["scene"]}}, "student.pseudo: no source 'scene' in data; did you mean scenes"),
        ({"teacher": {"sources": "scenes"}}, "sources: a list is accepted"),
        ({"data": {"scenes": {"kind": "synthetic"}}}, "data.scenes: missing .*path"),
        ({"data": {"scenes": {"kind": "synthetic", "path": "x", "first": -3}}}, "first -3"),
        ({"data": []}, "data: a mapping of names to sources"),
        ({"metric": {"head": "relu"}}, "metric: head 'relu': log_depth, exp or sigmoid"),
        ({"metric": {"head": "sigmoid"}}, "head_max_depth_m 0.0: a positive number"),
        ({"student": {"ignore_share": 1.5}}, "ignore_share 1.5"),
        ({"compute": {"precision": "fp8"}}, "precision 'fp8': fp32 or bf16"),
        ({"network": {"size": "huge"}}, "network.size 'huge': tiny, small"),
        ({"network": {"sise": "tiny"}}, r"network.sise: unknown key"),
        ({"teacher": [1]}, "teacher: a mapping is accepted"),
        ({"out": 3}, "out: 3; a text is accepted"),
        ({"seed": -1}, "seed -1: a whole number from 0 is accepted"),
    ],
)  # fmt: skip
def test_bad_values_are_one_line_that_names_them(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        recipe_from_dict(recipe(**change), "recipe.yaml")
    assert str(error.value).startswith("recipe.yaml: ") and "\n" not in str(error.value)


def test_a_recipe_without_any_stage_is_refused() -> None:
    tree = recipe()
    del tree["teacher"]
    with pytest.raises(ConfigError, match="no stage: at least one of pretrain, teacher"):
        recipe_from_dict(tree, "recipe.yaml")


def test_a_stage_that_stands_there_without_values_is_there() -> None:
    config = recipe_from_dict(yaml.safe_load(yaml.safe_dump(recipe()) + "export:\n"), "r")
    assert config.stages() == ("teacher", "export")
    with pytest.raises(ConfigError, match="no section metric; it has teacher, export"):
        config.section("metric")


def test_overrides_reach_nested_keys_and_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(recipe()))
    config = load_recipe(path, ["teacher.steps=7", "teacher.augment.flip=0.25", "data.scenes.path=y", "export.model=z"])
    assert config.teacher is not None and config.export is not None
    assert config.teacher.steps == 7 and config.teacher.augment.flip == 0.25
    assert config.teacher.augment.crop == "random"  # what is not named keeps the paper's value
    assert load_recipe(path, ["encoder=x", "encoder="]).encoder == ""
    assert config.data["scenes"].path == "y" and config.export.model == "z"
    for wrong, message in (
        ("steps", "key=value"),
        ("name.x=1", "name holds no named keys"),
        ("name=[", "not valid YAML"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_recipe(path, [wrong])
    path.write_text("a: [1, 2")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_recipe(path)
    path.write_text("- 1")
    with pytest.raises(ConfigError, match="a mapping of recipe keys"):
        load_recipe(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recipe(tmp_path / "absent.yaml")


def test_numbers_as_yaml_reads_them_are_numbers() -> None:
    config = recipe_from_dict(yaml.safe_load(yaml.safe_dump(recipe()) + "compute: {threads: 1}\n"), "r")
    assert config.compute.threads == 1
    tree = recipe(teacher=yaml.safe_load("{learning_rate: 5e-6, clip_norm: 1}"))
    assert tree["teacher"]["learning_rate"] == "5e-6"  # YAML 1.1 takes it for a text
    teacher = recipe_from_dict(tree, "r").teacher
    assert teacher is not None and teacher.learning_rate == 5e-6 and teacher.clip_norm == 1.0


def test_the_options_of_a_reader_stand_beside_its_kind() -> None:
    tree = recipe(data={"f": {"kind": "frames", "path": "i.json", "dataset": "a", "first": 2, "last": 4}})
    tree["teacher"] = {"sources": ["f", {"kind": "synthetic", "path": "s"}]}
    config: Recipe = recipe_from_dict(tree, "r")
    first, second = config.sources(config.section("teacher").sources)
    assert first.options == {"dataset": "a"} and (first.first, first.last) == (2, 4)
    assert second.kind == "synthetic" and second.options == {}


def test_the_papers_values_are_the_defaults() -> None:
    config = recipe_from_dict(recipe(**dict.fromkeys(("student", "metric"))), "r")
    teacher, student, metric = (config.section(stage) for stage in ("teacher", "student", "metric"))
    assert teacher.learning_rate == 5e-5 and teacher.learning_rate * teacher.encoder_rate == pytest.approx(5e-6)
    assert teacher.schedule == "hold" and teacher.decay_share == 1 and teacher.final_share == 0  # linear decay to 0
    assert (teacher.augment.crop, teacher.augment.flip, teacher.augment.jitter) == ("random", 0.5, 0)
    assert teacher.short_sides == (518,) and teacher.aspects == (1.0,)
    assert student.unlabelled_per_labelled == 2 and student.feature_margin == 0.85 and student.perturb.cutmix == 0.5
    assert metric.augment.crop == "view" and metric.head == "log_depth"
    assert config.network_config(head="relu").head == "relu"
    assert STAGES.index("pretrain") == 0
