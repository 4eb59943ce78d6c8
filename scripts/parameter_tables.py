"""Writes what is made from the table of parameters: ``config/depth.yaml`` and the table in the README.

``python scripts/parameter_tables.py`` after a change of ``depth_anything_ros/params.py``; a test holds both to it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from depth_anything_ros.parameter_spec import CHANGE_WORDS, ParameterSpec  # noqa: E402
from depth_anything_ros.params import PARAMETERS  # noqa: E402

YAML_FILE = ROOT / "config" / "depth.yaml"
README = ROOT / "README.md"
TABLE_BEGIN, TABLE_END = "<!-- parameters -->", "<!-- /parameters -->"
YAML_HEAD = """\
# Every parameter of the node with its default. Copy this file, change the copy, and start with
#   ros2 launch depth_anything_ros depth.launch.py params_file:=/path/to/copy.yaml
#   depth_anything_ros node --ros-args --params-file /path/to/copy.yaml
# Written by scripts/parameter_tables.py from depth_anything_ros/params.py.
/**:
  ros__parameters:
"""


def yaml_text() -> str:
    """``config/depth.yaml``: nested keys, each with its description, what it accepts and when it may change."""
    return YAML_HEAD + "\n".join(_yaml_lines()) + "\n"


def markdown_table() -> str:
    """The README's table; QoS parameters that differ in the topic only share a row."""
    rows = ["| parameter | default | what it does | accepted | may change |", "|---|---|---|---|---|"]
    for specs in _rows():
        spec = specs[0]
        cells = (
            f"`{_joined(specs)}`",
            f"`{_literal(spec)}`",
            spec.description,
            spec.accepted,
            CHANGE_WORDS[spec.change],
        )
        rows.append(f"| {' | '.join(cells)} |".replace("<", "\\<"))
    return "\n".join(rows) + "\n"


def readme_with(table: str) -> str:
    """The README's text with this table in the place of its own."""
    text = README.read_text("utf-8")
    head, begin, rest = text.partition(TABLE_BEGIN)
    _, end, tail = rest.partition(TABLE_END)
    if not (begin and end):
        raise SystemExit(f"{README} lacks the lines {TABLE_BEGIN} and {TABLE_END}")
    return f"{head}{begin}\n{table}{end}{tail}"


def _literal(spec: ParameterSpec) -> str:
    return json.dumps(spec.default)


def _joined(specs: list[ParameterSpec]) -> str:
    if len(specs) == 1:
        return specs[0].name
    topics = ",".join(spec.name.split(".")[1] for spec in specs)
    return f"qos.{{{topics}}}.{specs[0].name.split('.')[2]}"


def _rows() -> Iterator[list[ParameterSpec]]:
    rows: dict[object, list[ParameterSpec]] = {}
    for spec in PARAMETERS:
        key: object = spec.name
        if spec.name.startswith("qos."):
            key = (spec.name.rpartition(".")[2], spec.default, spec.description)
        rows.setdefault(key, []).append(spec)
    return iter(rows.values())


def _yaml_lines() -> Iterator[str]:
    open_groups: list[str] = []
    for spec in PARAMETERS:
        *groups, leaf = spec.name.split(".")
        shared = 0
        while groups[: shared + 1] == open_groups[: shared + 1] and shared < len(groups):
            shared += 1
        for depth in range(shared, len(groups)):
            yield f"{_indent(depth)}{groups[depth]}:"
        open_groups = groups
        indent = _indent(len(groups))
        yield f"{indent}# {spec.description}"
        yield f"{indent}# accepted: {spec.accepted}; {CHANGE_WORDS[spec.change]}"
        # An empty list has no type in ROS 2; one empty name stands for it.
        yield f"{indent}{leaf}: {_literal(spec) if spec.default != () else json.dumps([''])}"


def _indent(depth: int) -> str:
    return "  " * (depth + 2)


def main() -> None:
    """Write both files."""
    YAML_FILE.write_text(yaml_text(), "utf-8")
    README.write_text(readme_with(markdown_table()), "utf-8")


if __name__ == "__main__":
    main()
