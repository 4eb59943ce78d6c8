"""The table of parameters: what each accepts, what is said of what it does not, and that YAML and README repeat it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from depth_anything_ros.engine_options import ENGINES, PRECISIONS
from depth_anything_ros.errors import ConfigError
from depth_anything_ros.parameter_spec import ParameterSpec
from depth_anything_ros.params import (
    BY_NAME,
    INPUTS,
    ON_REQUEST,
    OUTPUTS,
    PARAMETERS,
    check_names,
    check_values,
    refuse_change,
)

NUMBERS = [spec for spec in PARAMETERS if spec.low is not None]
CHOICES = [spec for spec in PARAMETERS if spec.choices]


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch, repository: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(repository / "scripts"))
    return importlib.import_module("parameter_tables")


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


@pytest.mark.parametrize("spec", PARAMETERS, ids=lambda spec: spec.name)
def test_every_default_is_accepted_and_described(spec: ParameterSpec) -> None:
    assert spec.check(spec.default) == spec.default
    assert re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*", spec.name)
    assert spec.description
    assert "\n" not in spec.description


def test_names_are_different() -> None:
    assert len(BY_NAME) == len(PARAMETERS) > 30


def test_every_topic_has_its_qos() -> None:
    for topic in (*INPUTS, *OUTPUTS):
        assert BY_NAME[f"qos.{topic}.depth"].default == 1
        assert ("auto" in BY_NAME[f"qos.{topic}.profile"].choices) == (topic in INPUTS)
    assert {f"publish.{name}" for name in ON_REQUEST} <= set(BY_NAME)


def test_choices_are_those_of_the_engines() -> None:
    assert BY_NAME["engine"].choices == ENGINES
    assert BY_NAME["precision"].choices == PRECISIONS


@pytest.mark.parametrize("spec", NUMBERS, ids=lambda spec: spec.name)
def test_limits_are_accepted_and_what_lies_beyond_is_not(spec: ParameterSpec) -> None:
    assert spec.low is not None
    assert spec.high is not None
    kind = type(spec.default)
    assert spec.check(kind(spec.low)) == spec.low
    assert spec.check(kind(spec.high)) == spec.high
    for value in (kind(spec.low - 1), kind(spec.high + 1)):
        with pytest.raises(ConfigError, match=re.escape(f"parameter {spec.name} is {value!r}; accepted: ")):
            spec.check(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_are_finite(value: float) -> None:
    with pytest.raises(ConfigError, match="scale"):
        BY_NAME["scale"].check(value)


@pytest.mark.parametrize("spec", CHOICES, ids=lambda spec: spec.name)
def test_what_is_no_choice_is_refused_with_the_choices(spec: ParameterSpec) -> None:
    assert [spec.check(choice) for choice in spec.choices] == list(spec.choices)
    with pytest.raises(ConfigError, match=re.escape(f"accepted: {', '.join(spec.choices)}")):
        spec.check("purple")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", 2),
        ("scale", "2.0"),
        ("threads", 1.0),
        ("threads", True),
        ("autostart", 1),
        ("model", 3),
        ("model", None),
    ],
)
def test_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"parameter {name} is {re.escape(repr(value))}; accepted: "):
        BY_NAME[name].check(value)


@pytest.mark.parametrize("value", [["front", "left"], ("front", "left")])
def test_cameras_become_a_tuple(value: Any) -> None:
    assert BY_NAME["cameras"].check(value) == ("front", "left")


@pytest.mark.parametrize("value", [[], [""], ()])
def test_no_cameras_is_an_empty_tuple(value: Any) -> None:
    assert BY_NAME["cameras"].check(value) == ()


@pytest.mark.parametrize("value", [["a", "a"], ["a b"], ["/front"], ["1st"], [1], ["ä"], "front", None])
def test_cameras_that_are_no_names_of_topics_are_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="different names of letters, digits and _"):
        BY_NAME["cameras"].check(value)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("scal", "scale"),
        ("max_dept", "max_depth"),
        ("point.stride", "points.stride"),
        ("qos.image.depht", "qos.image.depth"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown parameter '{name}'; did you mean {re.escape(nearest)}\\?"):
        check_names([name])


def test_a_name_that_is_near_to_none_is_refused_with_all() -> None:
    with pytest.raises(ConfigError, match="accepted: autostart, cameras"):
        check_names(["zzzzzzzz"])


def test_names_of_ros_itself_are_let_through() -> None:
    check_names(["use_sim_time", "start_type_description_service", "qos_overrides./points.publisher.depth", *BY_NAME])


def test_values_are_completed_with_the_defaults() -> None:
    values = check_values({"scale": 2.0})
    assert values == {**{spec.name: spec.default for spec in PARAMETERS}, "scale": 2.0}


def test_a_range_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"min_depth is 5\.0 and max_depth 5\.0"):
        check_values({"min_depth": 5.0, "max_depth": 5.0})
    assert check_values({"min_depth": 5.0})["max_depth"] == 0.0


@given(st.sampled_from(PARAMETERS), st.none() | st.booleans() | st.integers() | st.floats() | st.text())
def test_a_value_is_taken_as_it_is_or_refused_in_one_line(spec: ParameterSpec, value: Any) -> None:
    try:
        taken = spec.check(value)
    except ConfigError as error:
        words = str(error)
    else:
        words = ""
        assert taken is value
    assert not words or words.startswith(f"parameter {spec.name} is {value!r}; accepted: ")


def test_changes_are_allowed_or_refused_with_the_reason() -> None:
    assert refuse_change("scale", is_unconfigured=False) == ""
    assert "clean up" in refuse_change("model", is_unconfigured=False)
    assert refuse_change("model", is_unconfigured=True) == ""
    for is_unconfigured in (True, False):
        assert "at the start only" in refuse_change("autostart", is_unconfigured=is_unconfigured)


def test_yaml_holds_every_parameter_with_its_default(repository: Path) -> None:
    document = yaml.safe_load((repository / "config" / "depth.yaml").read_text("utf-8"))
    assert set(document) == {"/**"}
    assert set(document["/**"]) == {"ros__parameters"}
    values = flat(document["/**"]["ros__parameters"])
    # An empty list has no type in ROS 2; one empty name stands for it.
    expected = {spec.name: [""] if spec.default == () else spec.default for spec in PARAMETERS}
    assert values == expected
    assert [type(value) for value in values.values()] == [type(value) for value in expected.values()]


def test_yaml_is_as_the_table_makes_it(tables: ModuleType) -> None:
    assert tables.YAML_FILE.read_text("utf-8") == tables.yaml_text(), "run scripts/parameter_tables.py"


def test_readme_is_as_the_table_makes_it(tables: ModuleType) -> None:
    assert tables.README.read_text("utf-8") == tables.readme_with(tables.markdown_table()), (
        "run scripts/parameter_tables.py"
    )


def test_readme_names_every_parameter_with_its_default(repository: Path) -> None:
    text = (repository / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w.{},]+)` \| `([^`]*)` \|", text.partition("<!-- parameters -->")[2], re.MULTILINE)
    found = {}
    for name, default in rows:
        head, _, rest = name.partition("{")
        topics, _, tail = rest.partition("}")
        found |= {f"{head}{topic}{tail}": default for topic in topics.split(",")} if rest else {name: default}
    assert {name: yaml.safe_load(default) for name, default in found.items()} == {
        spec.name: list(spec.default) if isinstance(spec.default, tuple) else spec.default for spec in PARAMETERS
    }
