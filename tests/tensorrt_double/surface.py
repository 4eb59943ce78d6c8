"""Classes and enums that have exactly the names of one version of the real bindings."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

_API = Path(__file__).parent / "api"


@cache
def load_api(version: str) -> dict[str, Any]:
    """What ``read_bindings.py`` found in a version: its classes and enums."""
    data: dict[str, Any] = json.loads((_API / f"{version}.json").read_text("utf-8"))
    return data


class BoundEnum(Enum):
    """As the bindings make enums: a member has a number, and is none (``1 << member`` is a TypeError)."""

    def __int__(self) -> int:
        return int(self.value)

    __index__ = __int__


def strict_enum(name: str, api: dict[str, Any]) -> Any:
    """An enum of the version's members and values."""
    return BoundEnum(name.rpartition(".")[2], api["enums"][name])


def strict_class(name: str, api: dict[str, Any], body: type, world: Any, bases: tuple[type, ...] = ()) -> type:
    """The class ``name`` with what ``body`` implements of it; what the version lacks is left out.

    What the version has and ``body`` does not is an AssertionError at use, and not an AttributeError: the code under
    test is right in calling it, and the stand-in is what lacks something.
    """
    known = api["classes"][name]
    public = {**dict.fromkeys(known["methods"], "method"), **known["properties"]}
    own = {key: value for key, value in vars(body).items() if key.startswith("_") or key in public}
    inherited = {key for base in bases for key in dir(base)}
    for key, kind in public.items():
        if key not in own and key not in inherited:
            own[key] = _absent_method(name, key) if kind == "method" else _absent_property(name, key)
    for key in ("__dict__", "__weakref__"):
        own.pop(key, None)
    cls = type(name, bases, {**own, "_world": world})

    def set_attribute(self: Any, key: str, value: Any) -> None:
        # The bindings' own objects take no new attributes; those of a subclass written in Python do.
        if type(self) is cls and not key.startswith("_") and known["properties"].get(key) != "write":
            raise AttributeError(f"{name!r} object has no attribute {key!r}, or it cannot be set")
        object.__setattr__(self, key, value)

    cls.__setattr__ = set_attribute  # type: ignore[assignment, method-assign]
    return cls


def stored(default: Any) -> property:
    """A property that keeps what it is set to."""
    key = object()

    def values(self: Any) -> dict[object, Any]:
        if "_stored" not in vars(self):
            object.__setattr__(self, "_stored", {})
        kept: dict[object, Any] = vars(self)["_stored"]
        return kept

    return property(
        lambda self: values(self).get(key, default), lambda self, value: values(self).__setitem__(key, value)
    )


def _absent_method(owner: str, name: str) -> Callable[..., Any]:
    def absent(*arguments: Any, **named: Any) -> Any:
        raise AssertionError(f"the stand-in does not imitate {owner}.{name}")

    return absent


def _absent_property(owner: str, name: str) -> property:
    def absent(self: Any, value: Any = None) -> Any:
        raise AssertionError(f"the stand-in does not imitate {owner}.{name}")

    return property(absent, absent)
