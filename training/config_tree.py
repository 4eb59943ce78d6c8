"""From YAML and ``key=value`` to frozen dataclasses: an unknown key is refused with the nearest known name."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from depth_anything_ros.errors import ConfigError


def read_tree(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A YAML mapping with ``key=value`` or ``key.sub=value`` (values are YAML) put in. Raises ``ConfigError``."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: the recipe cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: a mapping of recipe keys is accepted")
    put_in(tree, overrides)
    return tree


def put_in(tree: dict[str, Any], overrides: Sequence[str]) -> None:
    """Set ``key=value`` and ``key.sub=value`` (values are YAML) in a mapping. Raises ``ConfigError``."""
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key:
            raise ConfigError(f"{override!r}: key=value is accepted")
        node = tree
        *parents, leaf = key.split(".")
        for parent in parents:
            # A stage that is written without values (``teacher:``) takes values all the same.
            if node.get(parent) is None:
                node[parent] = {}
            node = node[parent]
            if not isinstance(node, dict):
                raise ConfigError(f"{key}: {parent} holds no named keys")
        try:
            # ``encoder=`` takes a text away.
            node[leaf] = yaml.safe_load(text) if text else ""
        except yaml.YAMLError as error:
            raise ConfigError(f"{override!r}: the value is not valid YAML ({' '.join(str(error).split())})") from None


def build(kind: type, values: Any, place: str) -> Any:
    """An instance of the dataclass ``kind`` from a mapping, nested dataclasses and tuples included; ``place`` is named
    in errors.
    """
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{place}: a mapping is accepted, not {values!r}")
    hints = typing.get_type_hints(kind)
    known = [item.name for item in dataclasses.fields(kind)]
    for key in values:
        if key not in known:
            raise ConfigError(f"{place}: unknown key {key!r}; {nearest(str(key), known)}")
    parsers = getattr(kind, "PARSERS", {})
    made = {}
    for key, value in values.items():
        where = f"{place}: {key}"
        made[key] = parsers[key](value, where) if key in parsers else convert(hints[key], value, where)
    try:
        return kind(**made)
    except TypeError as error:
        raise ConfigError(f"{place}: {' '.join(str(error).split()).partition('__init__() ')[2] or error}") from None
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def nearest(name: str, known: Sequence[str]) -> str:
    """What to say of an unknown name: the nearest known one, or all of them."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known) or 'none'}"


def to_plain(value: Any) -> Any:
    """Dataclasses and tuples as mappings and lists, down to plain JSON types; ``build`` takes them back."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    return [to_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def convert(hint: Any, value: Any, place: str) -> Any:
    """``value``, of YAML's types, as the type ``hint``; ``ConfigError``, naming ``place``, where it is none."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return convert(next(item for item in arguments if item is not type(None)), value, place)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else build(hint, value, place)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{place}: a list is accepted, not {value!r}")
        return tuple(convert(arguments[0], item, f"{place}[{number}]") for number, item in enumerate(value))
    if origin is dict or hint is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{place}: a mapping is accepted, not {value!r}")
        inner = arguments[1] if len(arguments) == 2 else Any
        return {str(key): convert(inner, item, f"{place}.{key}") for key, item in value.items()}
    if hint in (int, float, bool, str):
        return _scalar(hint, value, place)
    return value


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def _scalar(kind: type, value: Any, place: str) -> Any:
    if kind is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        # YAML 1.1 reads 5e-6 as a text.
        try:
            return float(value)
        except ValueError:
            pass
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise ConfigError(f"{place}: {value!r}; {_NAMES[kind]} is accepted")
