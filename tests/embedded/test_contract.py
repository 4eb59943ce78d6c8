"""What the embedded runtime offers exists in rclpy: same names, parameters, defaults and message fields."""

from __future__ import annotations

import enum
import importlib
import inspect
import re
import sys
import types
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from typing import Any, ClassVar
from unittest.mock import MagicMock

import pytest

from tests.source_tree import PACKAGE, REPOSITORY

pytestmark = pytest.mark.ros

# Parts of the runtime that its modules, not its users, reach.
INTERNAL = {
    "Node": {"run_ready"},
    "LifecycleNode": {"run_ready"},
    "Publisher": {"writer"},
    "Subscription": {"reader", "receive"},
    "Timer": {"begin_next_period", "time_left"},
    "Logger": {"publish_log"},
}
MODULES = {
    "Clock": "rclpy.clock",
    "Logger": "rclpy.impl.rcutils_logger",
    "LifecycleNode": "rclpy.lifecycle",
    "LifecycleState": "rclpy.lifecycle",
    "LoggingSeverity": "rclpy.logging",
    "Node": "rclpy.node",
    "Parameter": "rclpy.parameter",
    "Publisher": "rclpy.publisher",
    "PublisherEventCallbacks": "rclpy.event_handler",
    "QoSProfile": "rclpy.qos",
    "Subscription": "rclpy.subscription",
    "SubscriptionEventCallbacks": "rclpy.event_handler",
    "Time": "rclpy.time",
    "Timer": "rclpy.timer",
    "TopicEndpointInfo": "rclpy.topic_endpoint_info",
    "TransitionCallbackReturn": "rclpy.lifecycle",
    "ExternalShutdownException": "rclpy.executors",
    "NotInitializedException": "rclpy.exceptions",
    **dict.fromkeys(("DurabilityPolicy", "HistoryPolicy", "QoSPolicyKind", "ReliabilityPolicy"), "rclpy.qos"),
    **dict.fromkeys(("init", "ok", "spin", "spin_once", "try_shutdown"), "rclpy"),
    "remove_ros_args": "rclpy.utilities",
}
OTHER_NAMES = {"Logger": "RcutilsLogger", "IncompatibleQoSInfo": "QoSRequestedIncompatibleQoSInfo"}
# Not in rclpy, and said so: the two ways to classes that ROS finds by import, and the errors of the package's own tree.
OWN = {"MessageError", "TransportError", "message", "service"}


class _Absent(types.ModuleType):
    """Stands for a module of cyclonedds: rclpy brings ROS's own Cyclone DDS, and one process is no place for two."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        return MagicMock(name=name)


@pytest.fixture(scope="module")
def embedded() -> Iterator[types.ModuleType]:
    """The runtime with its DDS library taken out: signatures and message classes need none."""
    pytest.importorskip("rclpy")
    names = ["", ".idl", ".idl.types", ".qos", ".util", ".core", ".domain", ".internal", ".pub", ".sub", ".topic"]
    names += [".builtin", "._clayer"]
    with pytest.MonkeyPatch.context() as patch:
        for name in [f"cyclonedds{name}" for name in names]:
            module = _Absent(name)
            module.__spec__ = ModuleSpec(name, None)
            patch.setitem(sys.modules, name, module)
        patch.setattr("importlib.metadata.version", lambda name: "11.0.1")
        before = set(sys.modules)
        try:
            yield importlib.import_module(f"{PACKAGE}.embedded")
        finally:
            for name in set(sys.modules) - before:
                if name.startswith(f"{PACKAGE}.embedded"):
                    del sys.modules[name]


def counterpart(name: str) -> Any:
    module = "rclpy.event_handler" if name == "IncompatibleQoSInfo" else MODULES[name]
    return getattr(importlib.import_module(module), OTHER_NAMES.get(name, name))


def differences(ours: Callable[..., Any], theirs: Callable[..., Any]) -> list[str]:
    """Calls that ours takes and theirs does not."""
    known = inspect.signature(theirs).parameters
    takes_any_keyword = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    positions = [name for name, parameter in known.items() if parameter.kind is not parameter.KEYWORD_ONLY]
    found = []
    for index, (name, parameter) in enumerate(inspect.signature(ours).parameters.items()):
        if name == "self" or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if name not in known:
            if not (takes_any_keyword and parameter.kind is parameter.KEYWORD_ONLY):
                found.append(f"{name} is unknown to rclpy")
            continue
        if parameter.default != known[name].default:
            found.append(f"{name} has default {parameter.default!r}, in rclpy {known[name].default!r}")
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and positions[index : index + 1] != [name]:
            found.append(f"{name} is the {index}. parameter, not so in rclpy")
    return found


def public(cls: Any) -> dict[str, Any]:
    """Names that a class or its package's bases define for users."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith(PACKAGE):
            found.update((name, value) for name, value in vars(base).items() if not name.startswith("_"))
    return {name: value for name, value in found.items() if name not in INTERNAL.get(cls.__name__, set())}


def test_every_name_has_a_counterpart(embedded: types.ModuleType) -> None:
    missing = []
    for name in set(embedded.__all__) - OWN:
        try:
            counterpart(name)
        except (KeyError, AttributeError, ImportError) as error:
            missing.append(f"{name}: {error!r}")
    assert missing == []
    assert set(embedded.__all__) >= OWN


@pytest.mark.parametrize("name", ["init", "ok", "spin", "spin_once", "try_shutdown", "remove_ros_args"])
def test_functions_are_called_alike(embedded: types.ModuleType, name: str) -> None:
    assert differences(getattr(embedded, name), counterpart(name)) == []


@pytest.mark.parametrize(
    "name",
    ["Clock", "LifecycleNode", "Logger", "Node", "Parameter", "Publisher", "Subscription", "Time", "Timer"],
)
def test_methods_exist_and_are_called_alike(embedded: types.ModuleType, name: str) -> None:
    theirs, found = counterpart(name), []
    for attribute, value in public(getattr(embedded, name)).items():
        if not hasattr(theirs, attribute):
            found.append(f"{name}.{attribute} is unknown to rclpy")
        elif inspect.isfunction(value):
            found += [f"{name}.{attribute}: {text}" for text in differences(value, getattr(theirs, attribute))]
    assert found == []
    assert len(public(getattr(embedded, name))) > 0


@pytest.mark.parametrize(
    "name", ["Node", "LifecycleNode", "Parameter", "Time", "PublisherEventCallbacks", "SubscriptionEventCallbacks"]
)
def test_users_make_them_alike(embedded: types.ModuleType, name: str) -> None:
    assert differences(getattr(embedded, name).__init__, counterpart(name).__init__) == []


def test_profiles_have_the_same_fields_and_defaults(embedded: types.ModuleType) -> None:
    ours, theirs = embedded.QoSProfile(depth=3), counterpart("QoSProfile")(depth=3)
    fields = list(inspect.signature(embedded.QoSProfile).parameters)
    assert fields == ["depth", "history", "reliability", "durability"]
    assert {name: int(getattr(ours, name)) for name in fields} == {name: int(getattr(theirs, name)) for name in fields}


def test_records_have_the_same_fields(embedded: types.ModuleType) -> None:
    for name in ("TopicEndpointInfo", "IncompatibleQoSInfo"):
        fields = list(inspect.signature(getattr(embedded, name)).parameters)
        assert [field for field in fields if not hasattr(counterpart(name), field)] == []


@pytest.mark.parametrize(
    "name",
    [
        *("DurabilityPolicy", "HistoryPolicy", "LoggingSeverity", "QoSPolicyKind", "ReliabilityPolicy"),
        *("TransitionCallbackReturn", "Parameter.Type"),
    ],
)
def test_enumerations_have_the_same_numbers(embedded: types.ModuleType, name: str) -> None:
    head, _, inner = name.partition(".")
    ours, theirs = getattr(embedded, head), counterpart(head)
    if inner:
        ours, theirs = getattr(ours, inner), getattr(theirs, inner)
    assert issubclass(ours, enum.Enum)
    numbers = {member.name: member.value for member in ours}
    assert numbers == {key: int(getattr(getattr(theirs, key), "value", getattr(theirs, key))) for key in numbers}


def used_types() -> list[str]:
    """Every message and service type that the package's text names."""
    text = "\n".join(path.read_text("utf-8") for path in (REPOSITORY / PACKAGE).rglob("*.py"))
    return sorted(set(re.findall(r"\b[a-z][a-z0-9_]*/(?:msg|srv)/[A-Z]\w*", text)))


def pairs(embedded: types.ModuleType, name: str) -> Iterator[tuple[Any, Any]]:
    """Our class and ROS's, two of each for a service."""
    package, kind, cls = name.split("/")
    base, _, suffix = cls.partition("_")
    theirs = getattr(importlib.import_module(f"{package}.{kind}"), base)
    if kind == "msg":
        yield embedded.message(name), theirs
        return
    for ours, part in zip(embedded.service(f"{package}/{kind}/{base}"), ("Request", "Response"), strict=True):
        if suffix in ("", part):
            yield ours, getattr(theirs, part)


def test_messages_have_the_same_fields_defaults_and_constants(embedded: types.ModuleType) -> None:
    compared = 0
    for name in used_types():
        try:
            importlib.import_module(f"{name.split('/')[0]}.{name.split('/')[1]}")
        except ImportError:
            continue
        for ours, theirs in pairs(embedded, name):
            assert ours.get_fields_and_field_types() == theirs.get_fields_and_field_types(), name
            mine, real = ours(), theirs()
            for field, kind in ours.get_fields_and_field_types().items():
                value, expected = getattr(mine, field), getattr(real, field)
                if "/" in kind or "[" in kind or kind.startswith("sequence"):
                    continue
                assert (type(value), value) == (type(expected), expected), f"{name}.{field}"
            constants, _ = importlib.import_module(f"{PACKAGE}.embedded.types").definition(ours.__msgtype__)
            for constant, *_ in constants:
                assert getattr(ours, constant) == getattr(theirs, constant), f"{name}.{constant}"
            compared += 1
    assert compared > 25
