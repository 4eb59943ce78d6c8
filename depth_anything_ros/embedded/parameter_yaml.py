"""YAML as ROS reads it for parameters: its own scalars (``yes`` and ``010`` are a bool and an 8), lists of one type.

A parameter file nests node names (or parts of them, or wildcards) down to ``ros__parameters``, and names below it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ..errors import ConfigError

_BOOLS = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_INTEGER = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_HEX_FLOAT = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?", re.ASCII)
_SPECIAL = re.compile(r"([+-]?)(?:\.(inf|Inf|INF|nan|NaN|NAN)|((?i:inf|infinity|nan)))", re.ASCII)
_TYPE_NAMES = {bool: "bool", int: "integer", float: "double", str: "string"}
_NODE_TOKEN = re.compile(r"\*\*?|[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LAYOUT = "the layout is 'node_name:', below it 'ros__parameters:', below that 'name: value'"


class _Loader(yaml.SafeLoader):
    """Composes nodes only: plain scalars keep an empty tag, so that an explicit ``!!str`` can be told apart."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        return ""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(None, None, "aliases are not accepted", self.peek_event().start_mark)
        return super().compose_node(parent, index)


def parse_value(text: str, where: str) -> Any:
    """The value of ``-p name:=text``: bool, int, float, str or a list of one of these; an empty list has no type.

    Raises ConfigError, beginning with ``where``.
    """
    documents = _documents(text, where)
    if len(documents) != 1:
        raise ConfigError(f"{where}: {len(documents)} values; accepted is one ('' is an empty string)")
    return _value(documents[0], where)


def read_parameter_file(path: str) -> list[tuple[str, dict[str, Any]]]:
    """Patterns of node names, as written, with their parameters, nested names joined by dots, in the file's order.

    Raises ConfigError that names the file, the line and what is accepted.
    """
    where = f"params file {path!r}"
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError(f"{where} cannot be read: {reason}") from error
    found: list[tuple[str, dict[str, Any]]] = []
    for document in _documents(text, where):
        found.extend(_nodes(document, "", where))
    return found


def matches(pattern: str, full_name: str) -> bool:
    """Whether a pattern stands for a node: ``*`` is one token of the name, ``**`` any number of them."""
    parts = {"*": r"/[^/]+", "**": r"(?:/[^/]+)*"}
    expression = "".join(parts.get(token, f"/{re.escape(token)}") for token in pattern.split("/") if token)
    return re.fullmatch(expression, full_name) is not None


def _documents(text: str, where: str) -> list[yaml.Node]:
    try:
        return [node for node in yaml.compose_all(text, Loader=_Loader) if node is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigError(f"{where} is not YAML: {line}{getattr(error, 'problem', None) or error}") from error


def _at(node: yaml.Node, where: str) -> str:
    return f"{where}, line {node.start_mark.line + 1}"


def _pairs(node: yaml.Node, where: str) -> Iterator[tuple[str, yaml.Node]]:
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or not key.value:
            raise ConfigError(f"{_at(key, where)}: a key must be a name, not empty and not a list or mapping")
        yield key.value, value


def _nodes(node: yaml.Node, prefix: str, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{_at(node, where)}: a value where a mapping is expected; {_LAYOUT}")
    for key, value in _pairs(node, where):
        if key != "ros__parameters":
            _check_tokens(key, _at(value, where))
            yield from _nodes(value, f"{prefix.rstrip('/')}/{key.lstrip('/')}" if prefix else key, where)
        elif not prefix:
            raise ConfigError(f"{_at(value, where)}: ros__parameters without a node name above it; {_LAYOUT}")
        elif not isinstance(value, yaml.MappingNode):
            raise ConfigError(f"{_at(value, where)}: ros__parameters holds no names; write {{}} for none; {_LAYOUT}")
        else:
            yield prefix, dict(_parameters(value, "", where))


def _check_tokens(key: str, where: str) -> None:
    if not all(_NODE_TOKEN.fullmatch(token) for token in key.strip("/").split("/")):
        raise ConfigError(f"{where}: node name {key!r}: accepted are tokens of letters, digits and '_', '*' and '**'")


def _parameters(node: yaml.Node, prefix: str, where: str) -> Iterator[tuple[str, Any]]:
    for key, value in _pairs(node, where):
        name = f"{prefix}{key}"
        if isinstance(value, yaml.MappingNode):
            if not value.value:
                raise ConfigError(f"{_at(value, where)}: {name} is an empty mapping; leave it out")
            yield from _parameters(value, f"{name}.", where)
        else:
            yield name, _value(value, f"{_at(value, where)}: {name}")


def _value(node: yaml.Node, where: str) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, where)
    if not isinstance(node, yaml.SequenceNode) or not all(isinstance(item, yaml.ScalarNode) for item in node.value):
        raise ConfigError(f"{where}: accepted are a bool, a number, a string, or a flat list of one of these")
    values = [_scalar(item, where) for item in node.value]
    kinds = list(dict.fromkeys(_TYPE_NAMES[type(value)] for value in values))
    if len(kinds) > 1:
        raise ConfigError(f"{where}: {values} mixes {' and '.join(kinds)}; a list must be of one type")
    return values


def _scalar(node: yaml.ScalarNode, where: str) -> bool | int | float | str:
    text: str = node.value
    if node.style is not None or node.tag == "tag:yaml.org,2002:str":
        return text
    if not text:
        raise ConfigError(f"{where} has no value; write '' for an empty string")
    if text in _BOOLS:
        return _BOOLS[text]
    if (integer := _integer(text)) is not None:
        return integer
    number = _float(text)
    return text if number is None else number


def _integer(text: str) -> int | None:
    found = _INTEGER.fullmatch(text)
    if found is None:
        return None
    sign, hexadecimal, octal, decimal = found.groups()
    magnitude = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
    value = -magnitude if sign == "-" else magnitude
    # What does not fit 64 bits is read as a double.
    return value if -(2**63) <= value < 2**63 else None


def _float(text: str) -> float | None:
    if special := _SPECIAL.fullmatch(text):
        return float(special[1] + (special[2] or special[3]))
    if _FLOAT.fullmatch(text):
        value = float(text)
    elif _HEX_FLOAT.fullmatch(text):
        value = float.fromhex(text)
    else:
        return None
    # A number too large for a double stays the string that it is.
    return value if math.isfinite(value) else None
