"""ROS arguments, as rcl reads them: ``--ros-args -r from:=to -p name:=value --params-file FILE --``."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ConfigError
from . import names
from .parameter_yaml import matches, parse_value, read_parameter_file

LOG_LEVELS = ("unset", "debug", "info", "warn", "error", "fatal")

# A token of a rule has no two underscores in a row: those begin __node and __ns.
_TOKEN = r"(?![0-9])(?:[A-Za-z0-9]|_(?!_))+"
_NAME = rf"(?:~/|/)?{_TOKEN}(?:/{_TOKEN})*"
_TOPIC_RULE = re.compile(
    rf"(?:(?P<node>{_TOKEN}):)?(?:(?P<kind>rostopic|rosservice)://)?(?P<source>{_NAME}):=(?P<target>{_NAME})", re.ASCII
)
_NODE_RULE = re.compile(
    rf"(?:(?P<node>{_TOKEN}):)?(?P<kind>__node|__name|__ns):=(?P<target>{_TOKEN}|/|(?:/{_TOKEN})+)", re.ASCII
)
_PARAMETER_TOKEN = r"(?!__)[A-Za-z_][A-Za-z0-9_]*"
_PARAMETER_RULE = re.compile(
    rf"(?:(?P<node>{_TOKEN}):)?(?P<name>/?{_PARAMETER_TOKEN}(?:(?:\.|/+){_PARAMETER_TOKEN})*):=(?P<value>.*)",
    re.ASCII | re.DOTALL,
)
_OPTIONS = {
    "-r": "a rule '[node:]from:=to', '[node:]__node:=name' or '[node:]__ns:=/namespace'",
    "-p": "'[node:]name:=value'",
    "--params-file": "a YAML file",
    "--log-level": f"'level' or 'logger:=level', with a level of {', '.join(LOG_LEVELS)}",
}
_LONG = {"--remap": "-r", "--param": "-p"}
_KINDS = {"rostopic": "topic", "rosservice": "service", "__name": "__node"}


@dataclass(frozen=True)
class RemapRule:
    """``kind``: topic, service, ``__node``, ``__ns``, or None for topics and services; ``node``: None for any node."""

    node: str | None
    kind: str | None
    source: str
    target: str


@dataclass(frozen=True)
class RosArguments:
    """What a command line says to ROS; empty by default.

    ``log_level`` holds for every logger, ``logger_levels`` for one each; ``non_ros_args`` are the arguments left over.
    """

    rules: tuple[RemapRule, ...] = ()
    overrides: tuple[tuple[str, dict[str, Any]], ...] = ()
    log_level: str | None = None
    logger_levels: tuple[tuple[str, str], ...] = ()
    non_ros_args: tuple[str, ...] = ()

    @classmethod
    def parse(cls, args: Sequence[str] | None = None) -> RosArguments:
        """Read arguments, by default the process's own; raises ConfigError that names the one that is not accepted."""
        parser = _Parser()
        parser.read(list(sys.argv if args is None else args))
        return cls(
            rules=tuple(parser.rules),
            overrides=tuple(parser.overrides.items()),
            log_level=parser.log_level,
            logger_levels=tuple(parser.logger_levels.items()),
            non_ros_args=tuple(parser.rest),
        )

    def before(self, other: RosArguments) -> RosArguments:
        """Both, this one first: a node's own arguments before those of the process."""
        return replace(
            self,
            rules=self.rules + other.rules,
            overrides=other.overrides + self.overrides,
            log_level=self.log_level or other.log_level,
            logger_levels=other.logger_levels + self.logger_levels,
            non_ros_args=self.non_ros_args + other.non_ros_args,
        )

    def node_name(self, default: str) -> str:
        """The name that a node gets which calls itself ``default``."""
        return self._target("__node", default) or default

    def namespace(self, default: str, node_name: str) -> str:
        """The namespace, absolute, of a node of that (final) name."""
        return names.check_namespace(self._target("__ns", node_name) or default)

    def remappings(self, node_name: str) -> tuple[RemapRule, ...]:
        """The rules for topics and services that hold for a node of that (final) name."""
        return tuple(rule for rule in self.rules if rule.kind in (None, "topic", "service") and _holds(rule, node_name))

    def resolve(self, name: str, node_name: str, namespace: str, kind: str = "topic") -> str:
        """A topic's (or, by ``kind``, a service's) name as the node reaches it: fully qualified, then remapped once."""
        full = names.expand(name, node_name, namespace)
        for rule in self.remappings(node_name):
            if rule.kind in (None, kind) and names.expand(rule.source, node_name, namespace) == full:
                return names.expand(rule.target, node_name, namespace)
        return full

    def parameter_overrides(self, full_name: str) -> dict[str, Any]:
        """Values given to a node (``/namespace/name``) by -p and parameter files, by parameter name.

        As in rcl the entries of one node pattern form a group, placed where the pattern came first; a later group wins.
        """
        found: dict[str, Any] = {}
        for pattern, values in self.overrides:
            if matches(pattern, full_name):
                found.update(values)
        return found

    def _target(self, kind: str, node_name: str) -> str | None:
        return next((rule.target for rule in self.rules if rule.kind == kind and _holds(rule, node_name)), None)


def remove_ros_args(args: Sequence[str] | None = None) -> list[str]:
    """The arguments (by default the process's own) that are not ROS's; raises ConfigError as ``RosArguments.parse``."""
    return list(RosArguments.parse(args).non_ros_args)


def _holds(rule: RemapRule, node_name: str) -> bool:
    return rule.node in (None, node_name)


class _Parser:
    def __init__(self) -> None:
        self.rules: list[RemapRule] = []
        self.overrides: dict[str, dict[str, Any]] = {}
        self.log_level: str | None = None
        self.logger_levels: dict[str, str] = {}
        self.rest: list[str] = []

    def read(self, args: list[str]) -> None:
        inside = False
        remaining = iter(args)
        for argument in remaining:
            if argument == "--ros-args":
                inside = True
            elif inside and argument == "--":
                inside = False
            elif inside:
                self._read_option(argument, next(remaining, None))
            # The form of the first ROS 2 releases, still read by rcl.
            elif (rule := _remap_rule(argument)) is not None:
                self.rules.append(rule)
            else:
                self.rest.append(argument)

    def _read_option(self, flag: str, value: str | None) -> None:
        option = _LONG.get(flag, flag)
        if option not in _OPTIONS:
            raise ConfigError(
                f"{flag!r} is not a ROS argument; after --ros-args accepted are {', '.join(_OPTIONS)} and --"
            )
        if value is None:
            raise ConfigError(f"{flag} is the last argument; it needs {_OPTIONS[option]}")
        readers = {
            "-r": self._read_rule,
            "-p": self._read_parameter,
            "--params-file": self._read_file,
            "--log-level": self._read_log_level,
        }
        if not readers[option](value):
            raise ConfigError(f"{flag} {value!r}: accepted is {_OPTIONS[option]}")

    def _read_rule(self, text: str) -> bool:
        rule = _remap_rule(text)
        self.rules.extend([rule] if rule else [])
        return rule is not None

    def _read_file(self, path: str) -> bool:
        for pattern, parameters in read_parameter_file(path):
            self.overrides.setdefault(pattern, {}).update(parameters)
        return True

    def _read_parameter(self, text: str) -> bool:
        found = _PARAMETER_RULE.fullmatch(text)
        if found is None:
            return False
        pattern = found["node"] or "/**"
        value = parse_value(found["value"], f"-p {text!r}")
        self.overrides.setdefault(pattern, {})[found["name"]] = value
        return True

    def _read_log_level(self, text: str) -> bool:
        logger, separator, level = text.rpartition(":=")
        level = level.lower()
        if level not in LOG_LEVELS or (separator and not logger.strip("/")) or ":=" in logger:
            return False
        if separator:
            self.logger_levels[logger.strip("/").replace("/", ".")] = level
        else:
            self.log_level = level
        return True


def _remap_rule(text: str) -> RemapRule | None:
    if found := _TOPIC_RULE.fullmatch(text):
        kind = found["kind"]
        return RemapRule(found["node"], _KINDS.get(kind, kind), found["source"], found["target"])
    found = _NODE_RULE.fullmatch(text)
    if found is None or found["target"].startswith("/") != (found["kind"] == "__ns"):
        return None
    return RemapRule(found["node"], _KINDS.get(found["kind"], found["kind"]), found["kind"], found["target"])
