"""ROS names: what a node, a namespace and a topic may be called, and what a relative name stands for."""

from __future__ import annotations

import re

from ..errors import ConfigError

# rmw's limits: a node name, and a topic name less the prefixes that DDS adds.
MAX_NODE_NAME = 255
MAX_TOPIC_NAME = 247

_TOKEN = r"[A-Za-z_][A-Za-z0-9_]*"
_NODE = re.compile(_TOKEN, re.ASCII)
_NAMESPACE = re.compile(rf"/|(?:/{_TOKEN})+", re.ASCII)
_TOPIC = re.compile(rf"~|(?:~/|/)?{_TOKEN}(?:/{_TOKEN})*", re.ASCII)


def check_node_name(name: str) -> str:
    """Return the name; raise ConfigError if no node may be called that."""
    if not _NODE.fullmatch(name) or len(name) > MAX_NODE_NAME:
        raise ConfigError(
            f"node name {name!r}: accepted are up to {MAX_NODE_NAME} letters, digits and '_', no digit first"
        )
    return name


def check_namespace(namespace: str) -> str:
    """Return the namespace in absolute form (``""`` is ``/``, ``a`` is ``/a``); raise ConfigError if it has none."""
    absolute = namespace if namespace.startswith("/") else f"/{namespace}"
    if not _NAMESPACE.fullmatch(absolute):
        raise ConfigError(
            f"namespace {namespace!r}: accepted is '/' or tokens of letters, digits, '_', as '/front/left'"
        )
    return absolute


def join(namespace: str, name: str) -> str:
    """``/ns`` and ``node`` to ``/ns/node``, ``/`` and ``node`` to ``/node``."""
    return f"{namespace.rstrip('/')}/{name}"


def expand(name: str, node_name: str, namespace: str) -> str:
    """The fully qualified form of a topic or service name: absolute, relative, or private to the node (``~/name``).

    Raises ConfigError for a name that ROS does not accept. Substitutions such as ``{node}`` are not supported.
    """
    if not _TOPIC.fullmatch(name):
        raise ConfigError(
            f"topic name {name!r}: accepted are 'name', 'a/b', '/absolute' and '~/private', "
            "of letters, digits and '_', no digit first"
        )
    if name.startswith("~"):
        full = join(namespace, node_name) + name[1:]
    else:
        full = name if name.startswith("/") else join(namespace, name)
    if len(full) > MAX_TOPIC_NAME:
        raise ConfigError(f"topic name {full!r} has {len(full)} characters; at most {MAX_TOPIC_NAME} are accepted")
    return full
