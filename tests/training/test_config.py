"""Recipes: every shipped one loads, a wrong one says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_anything_ros.errors import ConfigError
from tests.training.tiny_training import tiny_recipe
from training.config import config_from_dict, config_to_dict, load_recipe
from training.sources.synthetic import FIRST_TRAINING_SEED

RECIPES = sorted((Path(__file__).resolve().parents[2] / "training" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_load_and_survive_a_round_trip(path: Path) -> None:
    config = load_recipe(path)
    assert config.name == path.stem
    assert config_from_dict(config_to_dict(config), "round trip") == config


def test_no_shipped_recipe_trains_on_frames_that_are_kept_for_tests() -> None:
    assert RECIPES
    allowed = {"hololens_seq": 59, "apc_realsense": 5}
    for path in RECIPES:
        for source in load_recipe(path).sources:
            if source.kind == "frames":
                assert 0 <= source.first <= source.last <= allowed[source.dataset], (path.name, source)
    assert FIRST_TRAINING_SEED >= 1000


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean learning_rate"):
        config_from_dict(tiny_recipe(tmp_path, learning_rte=1), "recipe.yaml")
    with pytest.raises(ConfigError, match="did you mean weight"):
        config_from_dict(
            tiny_recipe(tmp_path, sources=[{"kind": "synthetic", "path": "x", "wieght": 1}]), "recipe.yaml"
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps 0"),
        ({"sources": []}, "sources"),
        ({"short_sides": [30]}, "short_sides 30"),
        ({"short_sides": [28, 42]}, "side_shares"),
        ({"sources": [{"kind": "magic", "path": "x"}]}, "sources.kind 'magic'"),
        ({"augment": {"flop": 1}}, "did you mean flip"),
    ],
)
def test_bad_values_are_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_from_dict(tiny_recipe(tmp_path, **change), "recipe.yaml")


def test_overrides_reach_nested_keys_and_are_checked(tmp_path: Path) -> None:
    path = RECIPES[0]
    config = load_recipe(path, ["steps=7", "augment.flip=0.25"])
    assert config.steps == 7 and config.augment.flip == 0.25
    with pytest.raises(ConfigError, match="key=value"):
        load_recipe(path, ["steps"])
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1, 2")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_recipe(broken)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recipe(tmp_path / "absent.yaml")


def test_learning_rate_and_sizes_follow_the_schedule(tmp_path: Path) -> None:
    config = config_from_dict(
        tiny_recipe(
            tmp_path,
            steps=100,
            learning_rate=1.0,
            warmup_steps=10,
            decay_share=0.5,
            short_sides=[28, 42],
            side_shares=[0.6, 0.4],
        ),
        "test",
    )
    assert config.learning_rate_at(0) == pytest.approx(0.1)
    assert config.learning_rate_at(49) == pytest.approx(1.0)
    assert config.learning_rate_at(75) == pytest.approx(0.5)
    assert config.learning_rate_at(99) == pytest.approx(0.02)
    assert [config.short_side_at(step) for step in (0, 59, 60, 99)] == [28, 28, 42, 42]
