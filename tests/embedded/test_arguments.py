"""ROS arguments: what rcl accepts is accepted with the same meaning, and everything else is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cyclonedds", reason="the embedded runtime needs cyclonedds")

from depth_anything_ros.embedded import names
from depth_anything_ros.embedded.arguments import RosArguments, remove_ros_args
from depth_anything_ros.embedded.parameter_yaml import matches
from depth_anything_ros.errors import ConfigError
from tests.embedded.argument_vectors import (
    FILES,
    PARAMETERS,
    REFUSED,
    REFUSED_FILES,
    RENAMED,
    SCALARS,
    TOPICS,
    R,
    file_text,
    rules,
    values,
)


def described(args: list[str], name: str = "base", namespace: str = "") -> dict[str, Any]:
    """What a node called ``name`` makes of the arguments."""
    arguments = RosArguments.parse(args)
    node = names.check_node_name(arguments.node_name(name))
    space = arguments.namespace(namespace, node)
    full = names.join(space, node)
    return {
        "name": full,
        "topics": [arguments.resolve(topic, node, space) for topic in TOPICS],
        "parameters": arguments.parameter_overrides(full),
    }


@pytest.mark.parametrize("case", RENAMED)
def test_names_are_remapped(case: str) -> None:
    args, name, topics = RENAMED[case]
    found = described(args)
    assert (found["name"], found["topics"]) == (name, topics)


@pytest.mark.parametrize("text", SCALARS)
def test_values_are_yaml_as_rcl_reads_it(text: str) -> None:
    found = described(values(f"x:={text}"))["parameters"]["x"]
    assert repr(found) == repr(SCALARS[text])


@pytest.mark.parametrize("case", PARAMETERS)
def test_parameters_reach_their_node_in_order(case: str) -> None:
    args, expected = PARAMETERS[case]
    assert described(args)["parameters"] == expected


@pytest.mark.parametrize("args", REFUSED, ids=" ".join)
def test_malformed_arguments_are_refused_in_one_line(args: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        RosArguments.parse(args)
    assert len(str(caught.value).splitlines()) == 1
    # The argument itself, or the flag that lacks one, or the one that is left over.
    assert any(part and repr(part)[1:-1] in str(caught.value) for part in args[-2:])


@pytest.mark.parametrize("case", FILES)
def test_files_reach_the_nodes_they_name(case: str, tmp_path: Path) -> None:
    text, expected = FILES[case]
    (tmp_path / "p.yaml").write_text(text, "utf-8")
    args = [R, "--params-file", str(tmp_path / "p.yaml")]
    assert {space: described(args, namespace=space)["parameters"] for space in expected} == expected


@pytest.mark.parametrize("case", REFUSED_FILES)
def test_malformed_files_are_refused_with_file_and_line(case: str, tmp_path: Path) -> None:
    text, expected = REFUSED_FILES[case]
    (tmp_path / "p.yaml").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=expected) as caught:
        RosArguments.parse([R, "--params-file", str(tmp_path / "p.yaml")])
    assert len(str(caught.value).splitlines()) == 1
    assert "p.yaml" in str(caught.value)


def test_what_comes_last_on_the_command_line_wins(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(file_text(("/**", "x: 1\n    y: 1")), "utf-8")
    assert described([R, "--params-file", str(path), "-p", "x:=2"])["parameters"] == {"x": 2, "y": 1}
    assert described([R, "-p", "x:=2", "--params-file", str(path)])["parameters"] == {"x": 1, "y": 1}


def test_a_nodes_own_arguments_come_before_the_process_s() -> None:
    own, process = RosArguments.parse(rules("t:=own")), RosArguments.parse([*rules("t:=all", "s:=all"), "-p", "x:=1"])
    both = own.before(process)
    assert [both.resolve(topic, "n", "/") for topic in ("t", "s")] == ["/own", "/all"]
    assert both.parameter_overrides("/n") == {"x": 1}
    assert RosArguments.parse(values("x:=2")).before(process).parameter_overrides("/n") == {"x": 2}


def test_rules_for_services_do_not_touch_topics() -> None:
    arguments = RosArguments.parse(rules("rosservice://t:=u", "rostopic://s:=v", "w:=both"))
    assert [arguments.resolve(name, "n", "/") for name in ("t", "s", "w")] == ["/t", "/v", "/both"]
    assert [arguments.resolve(name, "n", "/", "service") for name in ("t", "s", "w")] == ["/u", "/s", "/both"]


def test_log_levels() -> None:
    arguments = RosArguments.parse([R, "--log-level", "WARN", "--log-level", "/front/depth:=debug"])
    assert (arguments.log_level, arguments.logger_levels) == ("warn", (("front.depth", "debug"),))
    assert RosArguments.parse([]).log_level is None


def test_what_is_not_ros_s_is_left_over() -> None:
    args = ["x", "--flag", R, "-r", "a:=b", "--", "y", R, "--", "z", "--", "last", "t:=u"]
    assert remove_ros_args(args) == ["x", "--flag", "y", "z", "--", "last"]
    with pytest.raises(ConfigError, match="'foo'"):
        remove_ros_args([R, "foo"])


@pytest.mark.parametrize("name", ["1a", "", "a-b", "a/b", "a" * 256, "é"])
def test_node_names_are_checked(name: str) -> None:
    with pytest.raises(ConfigError, match="node name"):
        names.check_node_name(name)


@pytest.mark.parametrize("name", ["a//b", "/", "a/", "1a", "a/1b", "~/", "~a", "a b", "", "a" * 248])
def test_topic_names_are_checked(name: str) -> None:
    with pytest.raises(ConfigError, match="topic name"):
        names.expand(name, "node", "/")


@pytest.mark.parametrize("namespace", ["/a/", "//a", "/1a", "~", "/a-b"])
def test_namespaces_are_checked(namespace: str) -> None:
    with pytest.raises(ConfigError, match="namespace"):
        names.check_namespace(namespace)


def test_a_pattern_is_of_whole_tokens() -> None:
    assert matches("/ns/*", "/ns/node") and not matches("/ns/*", "/nsx/node") and not matches("/n", "/ns")


def rcl_describes(args: list[str], namespace: str = "") -> dict[str, Any]:
    """What rcl itself makes of the arguments; raises what rclpy raises."""
    import rclpy
    from rclpy.context import Context
    from rclpy.node import Node

    context = Context()
    rclpy.init(args=args, context=context)
    try:
        node = Node(
            "base",
            namespace=namespace,
            context=context,
            enable_rosout=False,
            start_parameter_services=False,
            automatically_declare_parameters_from_overrides=True,
        )
        own = ("use_sim_time", "start_type_description_service")
        found = {
            "name": node.get_fully_qualified_name(),
            "topics": [node.resolve_topic_name(topic) for topic in TOPICS],
            "parameters": {
                name: list(item.value) if hasattr(item.value, "typecode") else item.value
                for name, item in sorted(node.get_parameters_by_prefix("").items())
                if name not in own
            },
        }
        node.destroy_node()
        return found
    finally:
        rclpy.shutdown(context=context)


def assert_same(args: list[str], namespace: str = "") -> None:
    ours, theirs = described(args, namespace=namespace), rcl_describes(args, namespace)
    ours["parameters"] = dict(sorted(ours["parameters"].items()))
    assert repr(ours) == repr(theirs), args


@pytest.mark.ros
@pytest.mark.parametrize("args", [args for args, *_ in (*RENAMED.values(), *PARAMETERS.values())], ids=" ".join)
def test_rcl_understands_the_same(args: list[str]) -> None:
    assert_same(args)


@pytest.mark.ros
def test_rcl_reads_the_same_values() -> None:
    for text in SCALARS:
        assert_same(values(f"x:={text}"))


@pytest.mark.ros
def test_rcl_reads_the_same_files(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    for text, expected in FILES.values():
        path.write_text(text, "utf-8")
        for namespace in expected:
            assert_same([R, "--params-file", str(path)], namespace)


def is_refused_by_rcl(args: list[str]) -> bool:
    try:
        rcl_describes(args)
    except Exception:  # rclpy has one type for each kind
        return True
    return False


@pytest.mark.ros
def test_rcl_refuses_the_same(tmp_path: Path) -> None:
    assert not is_refused_by_rcl([R, "-p", "x:=1"])
    assert [args for args in REFUSED if not is_refused_by_rcl(args)] == []
    for case, (text, _) in REFUSED_FILES.items():
        (tmp_path / "p.yaml").write_text(text, "utf-8")
        assert is_refused_by_rcl([R, "--params-file", str(tmp_path / "p.yaml")]), case
