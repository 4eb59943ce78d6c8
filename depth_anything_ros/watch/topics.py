"""Which topics of the graph to watch: the camera's picture, its depth and its cloud, found by type and name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from ..errors import ConfigError

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
POINTS = "sensor_msgs/msg/PointCloud2"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"
TRANSFORMS = "tf2_msgs/msg/TFMessage"

ROLES: Mapping[str, tuple[str, ...]] = {"image": (IMAGE, COMPRESSED), "depth": (IMAGE,), "points": (POINTS,)}
"""What is watched, and the types that each may have."""
DEPTH_ENCODINGS = ("32FC1", "16UC1")

# Pictures that were made from other pictures; taken only if there is nothing else.
_DERIVED = ("depth", "colored", "disparity", "rect", "mask", "confidence", "label", "segment")


def published_topics(node: Any, types: Iterable[str]) -> dict[str, tuple[str, list[Any]]]:
    """Return name -> (type, publishers) of the graph's topics of these types that somebody publishes."""
    wanted = frozenset(types)
    found = {}
    for name, kinds in node.get_topic_names_and_types():
        kind = next((kind for kind in kinds if kind in wanted), None)
        publishers = [] if kind is None else list(node.get_publishers_info_by_topic(name))
        if kind is not None and publishers:
            found[name] = (kind, publishers)
    return found


def choose_topics(
    types: Mapping[str, str], wanted: Mapping[str, str | None], is_depth: Mapping[str, bool]
) -> dict[str, str]:
    """Return role -> topic, for each role that has one.

    `types` are the published topics with their types, `wanted` the topics that the user named by role; `is_depth` says
    of the topics whose images were seen whether they hold depth. Names decide for the others. Raises ConfigError if a
    named topic is of another type.
    """
    chosen = {role: _named(types, role, topic) for role, topic in wanted.items() if topic is not None}
    for role, kinds in ROLES.items():
        if role in chosen:
            continue
        candidates = [topic for topic, kind in types.items() if kind in kinds]
        if role != "points":
            candidates = [
                topic for topic in candidates if _holds_depth(topic, types[topic], is_depth) == (role == "depth")
            ]
        beside = chosen.get("image", "")
        if candidates:
            chosen[role] = min(candidates, key=lambda topic: _preference(topic, types[topic], role, beside))
    return {role: topic for role, topic in chosen.items() if topic in types}


def explain_absence(role: str, wanted: str | None, types: Mapping[str, str]) -> str:
    """Say why a role has no topic; `wanted` is the one that the user named."""
    if wanted is not None:
        near = difflib.get_close_matches(wanted, [topic for topic, kind in types.items() if kind in ROLES[role]], n=1)
        return f"nobody publishes {wanted}" + (f"; did you mean {near[0]}?" if near else "")
    kinds = " or ".join(ROLES[role])
    what = {"image": "camera image", "depth": f"depth image ({' or '.join(DEPTH_ENCODINGS)})", "points": "point cloud"}
    return f"no {what[role]}: nobody publishes one ({kinds})"


def explain_silence(topic: str, publishers: Sequence[Any], unreached: Sequence[str]) -> str:
    """Say why nothing came on a topic that is published; `unreached` says whose QoS does not match."""
    if unreached:
        return f"nothing on {topic}: {'; '.join(unreached)}"
    names = ", ".join(sorted({f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in publishers}))
    return f"nothing on {topic} yet: {names} has it but has sent nothing"


def _named(types: Mapping[str, str], role: str, topic: str) -> str:
    kind = types.get(topic)
    if kind is not None and kind not in ROLES[role]:
        raise ConfigError(f"--{role} {topic} is of type {kind}; accepted: {', '.join(ROLES[role])}")
    return topic


def _holds_depth(topic: str, kind: str, is_depth: Mapping[str, bool]) -> bool:
    if kind == COMPRESSED:
        return topic.endswith("Depth")
    return is_depth.get(topic, "depth" in topic.lower() and "color" not in topic.rpartition("/")[2].lower())


def _preference(topic: str, kind: str, role: str, beside: str) -> tuple[object, ...]:
    """Sorts the best first: no derived picture, of the same camera as the picture chosen, raw, with a short name."""
    derived = role == "image" and any(word in topic.lower() for word in _DERIVED)
    pairs = zip(topic.split("/"), beside.split("/"), strict=False)
    shared = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    return derived, -shared, kind == COMPRESSED, len(topic), topic
