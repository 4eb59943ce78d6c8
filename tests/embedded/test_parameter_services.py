"""The services by which peers reach a node's parameters, and the events that tell them of changes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("cyclonedds", reason="the embedded runtime needs cyclonedds")

from depth_anything_ros.embedded.messages import deserialize, message, serialize
from depth_anything_ros.embedded.parameters import Parameter, ParameterMethods, serve_parameters


class ServedNode(ParameterMethods):
    """Keeps what would go over the wire: services by name, events."""

    def __init__(self) -> None:
        self._init_parameters({})
        self.services: dict[str, Callable[[Any], Any]] = {}
        self.types: dict[str, str] = {}
        self.depths: set[int] = set()
        self.events: list[Any] = []
        self.errors: list[str] = []

    def create_publisher(self, msg_type: Any, topic: str, qos_profile: Any) -> Any:
        assert (msg_type.__msgtype__, topic, qos_profile.depth) == (
            "rcl_interfaces/msg/ParameterEvent",
            "/parameter_events",
            1000,
        )
        return SimpleNamespace(publish=self.events.append)

    def _create_service(self, srv_type: str, name: str, callback: Callable[[Any], Any], depth: int = 10) -> None:
        self.services[name], self.types[name] = callback, srv_type
        self.depths.add(depth)

    def get_clock(self) -> Any:
        stamp = message("builtin_interfaces/msg/Time")(sec=7)
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=lambda: stamp))

    def get_fully_qualified_name(self) -> str:
        return "/ns/node"

    def get_logger(self) -> Any:
        return SimpleNamespace(error=self.errors.append)

    def call(self, name: str, **fields: Any) -> Any:
        """The answer to a request, after both went through CDR."""
        kind = self.types[f"~/{name}"]
        request = message(f"{kind}_Request")(**fields)
        request = deserialize(serialize(request), f"{kind}_Request")
        response = self.services[f"~/{name}"](request)
        return deserialize(serialize(response), f"{kind}_Response")


@pytest.fixture
def served() -> ServedNode:
    node = ServedNode()
    serve_parameters(node)
    node.declare_parameter("a", 1)
    node.declare_parameter("b.c", 2.0)
    node.declare_parameter("b.d.e", "x")
    node.declare_parameter("fixed", 1, message("rcl_interfaces/msg/ParameterDescriptor")(read_only=True))
    node.events.clear()
    return node


def test_the_six_services_are_there(served: ServedNode) -> None:
    assert {name.removeprefix("~/") for name in served.services} == {
        *("get_parameters", "get_parameter_types", "set_parameters", "set_parameters_atomically"),
        *("describe_parameters", "list_parameters"),
    }
    assert served.depths == {1000}
    for name, kind in served.types.items():
        words = name.removeprefix("~/").split("_")
        assert kind == "rcl_interfaces/srv/" + "".join(word.capitalize() for word in words)


def test_peers_read(served: ServedNode) -> None:
    (first, second) = served.call("get_parameters", names=["a", "b.c"]).values
    assert (first.type, first.integer_value, second.type, second.double_value) == (2, 1, 3, 2.0)
    assert list(served.call("get_parameter_types", names=["a", "b.d.e"]).types) == [2, 4]
    (described,) = served.call("describe_parameters", names=["fixed"]).descriptors
    assert (described.name, described.type, described.read_only) == ("fixed", 2, True)
    # As in ROS, one unknown name empties the answer.
    assert list(served.call("get_parameters", names=["a", "zz"]).values) == []
    assert list(served.call("get_parameter_types", names=["a", "zz"]).types) == []
    assert list(served.call("describe_parameters", names=["zz"]).descriptors) == []


@pytest.mark.parametrize(
    ("prefixes", "depth", "names", "below"),
    [
        ([], 0, ["use_sim_time", "a", "b.c", "b.d.e", "fixed"], ["b", "b.d"]),
        ([], 1, ["use_sim_time", "a", "fixed"], []),
        ([], 2, ["use_sim_time", "a", "b.c", "fixed"], ["b"]),
        (["b"], 0, ["b.c", "b.d.e"], ["b", "b.d"]),
        (["b"], 1, ["b.c"], ["b"]),
        (["b"], 2, ["b.c", "b.d.e"], ["b", "b.d"]),
        (["b.d"], 1, ["b.d.e"], ["b.d"]),
        (["b.c"], 1, ["b.c"], ["b"]),
        (["a"], 0, ["a"], []),
        (["b."], 0, [], []),
        (["zz"], 0, [], []),
    ],
)
def test_peers_list(served: ServedNode, prefixes: list[str], depth: int, names: list[str], below: list[str]) -> None:
    result = served.call("list_parameters", prefixes=prefixes, depth=depth).result
    assert (list(result.names), list(result.prefixes)) == (names, below)


def test_peers_set_one_by_one_or_all_at_once(served: ServedNode) -> None:
    changes = [
        Parameter("a", value=2),
        Parameter("zz", value=1),
        Parameter("fixed", value=3),
        Parameter("a", value=2.0),
    ]
    wire = [change.to_parameter_msg() for change in changes]
    results = served.call("set_parameters", parameters=wire).results
    assert [result.successful for result in results] == [True, False, False, False]
    assert all(
        word in result.reason for word, result in zip(("", "'zz'", "read-only", "INTEGER"), results, strict=True)
    )
    assert served.get_parameter("a").value == 2
    both = [Parameter("a", value=9).to_parameter_msg(), Parameter("fixed", value=1).to_parameter_msg()]
    assert not served.call("set_parameters_atomically", parameters=both).result.successful
    assert served.get_parameter("a").value == 2
    assert served.call("set_parameters_atomically", parameters=both[:1]).result.successful
    assert served.get_parameter("a").value == 9


def test_every_change_is_an_event(served: ServedNode) -> None:
    served.set_parameters([Parameter("a", value=5)])
    served.declare_parameter("new", "x")
    served.undeclare_parameter("new")
    assert not served.set_parameters([Parameter("a", value="text")])[0].successful
    found = [
        [
            [item.name for item in items]
            for items in (event.new_parameters, event.changed_parameters, event.deleted_parameters)
        ]
        for event in served.events
    ]
    assert found == [[[], ["a"], []], [["new"], [], []], [[], [], ["new"]]]
    assert (served.events[0].node, served.events[0].stamp.sec) == ("/ns/node", 7)
    assert served.events[0].changed_parameters[0].value.integer_value == 5


def test_a_callback_s_mistake_does_not_end_the_node(served: ServedNode) -> None:
    def broken(changes: list[Parameter]) -> Any:
        raise RuntimeError("boom")

    served.add_on_set_parameters_callback(broken)
    (result,) = served.call("set_parameters", parameters=[Parameter("a", value=3).to_parameter_msg()]).results
    assert (result.successful, result.reason) == (False, "RuntimeError: boom")
    assert len(served.errors) == 1 and "boom" in served.errors[0]
