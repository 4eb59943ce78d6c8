"""ROS arguments and parameter files, and what they mean to a node called ``base``; rcl agrees where it is installed."""

from __future__ import annotations

import math
from typing import Any

TOPICS = ("t", "/t", "~/t", "sub/t", "/a/b")
R = "--ros-args"


def rules(*texts: str) -> list[str]:
    return [R, *(part for text in texts for part in ("-r", text))]


def values(*texts: str) -> list[str]:
    return [R, *(part for text in texts for part in ("-p", text))]


def file_text(*entries: tuple[str, str]) -> str:
    return "".join(f"{node}:\n  ros__parameters:\n    {body}\n" for node, body in entries)


# Every vector is also given to rcl itself where rclpy is installed, and must mean the same there.
RENAMED: dict[str, tuple[list[str], str, list[str]]] = {
    "plain": (rules("t:=u"), "/base", ["/u", "/u", "/base/t", "/sub/t", "/a/b"]),
    "absolute from": (rules("/t:=u"), "/base", ["/u", "/u", "/base/t", "/sub/t", "/a/b"]),
    "absolute to": (rules("a/b:=/u"), "/base", ["/t", "/t", "/base/t", "/sub/t", "/u"]),
    "private from": (rules("~/t:=u"), "/base", ["/t", "/t", "/u", "/sub/t", "/a/b"]),
    "private to": (rules("sub/t:=~/u"), "/base", ["/t", "/t", "/base/t", "/base/u", "/a/b"]),
    "this node": (rules("base:t:=u"), "/base", ["/u", "/u", "/base/t", "/sub/t", "/a/b"]),
    "other node": (rules("other:t:=u"), "/base", ["/t", "/t", "/base/t", "/sub/t", "/a/b"]),
    "name": (rules("__node:=z"), "/z", ["/t", "/t", "/z/t", "/sub/t", "/a/b"]),
    "old name": (rules("__name:=z"), "/z", ["/t", "/t", "/z/t", "/sub/t", "/a/b"]),
    "first name": (rules("__node:=z", "__node:=w"), "/z", ["/t", "/t", "/z/t", "/sub/t", "/a/b"]),
    "namespace": (rules("__ns:=/q"), "/q/base", ["/q/t", "/t", "/q/base/t", "/q/sub/t", "/a/b"]),
    "root": (rules("__ns:=/"), "/base", ["/t", "/t", "/base/t", "/sub/t", "/a/b"]),
    "relative in namespace": (rules("__ns:=/q", "t:=u"), "/q/base", ["/q/u", "/t", "/q/base/t", "/q/sub/t", "/a/b"]),
    "into namespace": (rules("__ns:=/q", "/t:=u"), "/q/base", ["/q/t", "/q/u", "/q/base/t", "/q/sub/t", "/a/b"]),
    "by final name": (rules("__node:=z", "z:t:=u"), "/z", ["/u", "/u", "/z/t", "/sub/t", "/a/b"]),
    "by first name": (rules("__node:=z", "base:t:=u"), "/z", ["/t", "/t", "/z/t", "/sub/t", "/a/b"]),
    "namespace by final name": (rules("__node:=z", "z:__ns:=/q"), "/q/z", ["/q/t", "/t", "/q/z/t", "/q/sub/t", "/a/b"]),
    "first rule": (rules("t:=u", "t:=v"), "/base", ["/u", "/u", "/base/t", "/sub/t", "/a/b"]),
    "once": (rules("t:=u", "u:=v"), "/base", ["/u", "/u", "/base/t", "/sub/t", "/a/b"]),
    "topics only": (rules("rostopic://t:=u"), "/base", ["/u", "/u", "/base/t", "/sub/t", "/a/b"]),
    "services only": (rules("rosservice://t:=u"), "/base", ["/t", "/t", "/base/t", "/sub/t", "/a/b"]),
    "long": ([R, "--remap", "t:=u"], "/base", ["/u", "/u", "/base/t", "/sub/t", "/a/b"]),
    "without flag": (["t:=u"], "/base", ["/u", "/u", "/base/t", "/sub/t", "/a/b"]),
    "two blocks": (
        ["x", R, "-r", "t:=u", "--", "y", R, "-r", "sub/t:=w", "--", "z"],
        "/base",
        ["/u", "/u", "/base/t", "/w", "/a/b"],
    ),
    "none": ([R, R, "--", "--"], "/base", ["/t", "/t", "/base/t", "/sub/t", "/a/b"]),
}

SCALARS: dict[str, Any] = {
    **{"1": 1, "-5": -5, "+5": 5, "0x10": 16, "010": 8, "08": 8.0, "9223372036854775807": 2**63 - 1},
    **{"9223372036854775808": 2.0**63, "1.0": 1.0, ".5": 0.5, "5.": 5.0, "1e3": 1000.0, "1E-3": 0.001, "0x1p3": 8.0},
    **{".inf": math.inf, "-.inf": -math.inf, "inf": math.inf, ".NaN": math.nan, "nan": math.nan},
    **{"true": True, "Y": True, "on": True, "no": False, "OFF": False},
    **{'"1"': "1", "'x y'": "x y", "!!str 1": "1", "null": "null", "~": "~", "1_000": "1_000", "0o10": "0o10"},
    **{"1e400": "1e400", "1e": "1e", "12:30": "12:30", "2020-01-01": "2020-01-01", "hello world": "hello world"},
    **{"a:=b": "a:=b", "a #b": "a", "&x 1": 1, "!foo 1": 1, "  7  ": 7, "é": "é", '"a\\nb"': "a\nb"},
    **{"[1, 2]": [1, 2], "[true, yes]": [True, True], "[1.5, .nan]": [1.5, math.nan], '["1", a]': ["1", "a"]},
    **{"- 5": [5], "[1, ]": [1]},
}

PARAMETERS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "last": (values("x:=1", "x:=2"), {"x": 2}),
    "dots": (values("a.b:=1", "/a/b:=2"), {"a.b": 1, "/a/b": 2}),
    "this node": (values("base:x:=1"), {"x": 1}),
    "other node": (values("other:x:=1"), {}),
    "node after any": (values("x:=1", "base:x:=2"), {"x": 2}),
    "any after node": (values("base:x:=2", "x:=1"), {"x": 1}),
    "groups": (values("base:x:=1", "x:=2", "base:x:=3"), {"x": 2}),
    "long": ([R, "--param", "x:=1"], {"x": 1}),
    "renamed": ([R, "-p", "z:x:=1", "-p", "base:x:=2", "-r", "__node:=z"], {"x": 1}),
    "in a namespace": ([R, "-p", "base:x:=1", "-r", "__ns:=/q"], {}),
}

REFUSED: list[list[str]] = [
    *(
        [R, "-r", text]
        for text in ("t", "", ":=", "t:=", ":=u", "t:=u:=v", "/**:=u", "*:=u", "t:=1u", "t:=u-v", "t:=u/")
    ),
    *(
        [R, "-r", text]
        for text in ("/base:t:=u", "__node:=1z", "__node:=a/b", "__ns:=q", "__ns:=", "__foo:=u", "a__b:=u")
    ),
    *(
        [R, "-r", text]
        for text in ("t:=~", "~:=u", "t:=a//b", "a:b:c:=d", "t:=rostopic://u", "--", "{node}:=u", "t:= u")
    ),
    *(
        [R, "-p", text]
        for text in ("x", ":=1", "1x:=1", "x y:=1", "x.:=1", ".x:=1", "x..y:=1", "~/x:=1", "x-y:=1", "__x:=1")
    ),
    *(
        [R, "-p", text]
        for text in ("/base:x:=1", "/**:x:=1", "**:x:=1", "x:y:z:=1", "x:=", "x:=[1, 2.0]", "x:=[true, 1]")
    ),
    *(
        [R, "-p", text]
        for text in ("x:=a: b", "x:={a: 1}", "x:=*y", 'x:="open', "x:=[1", "x:=@y", "x:=[{a: 1}]", "x:=\t7")
    ),
    *([R, flag] for flag in ("-r", "-p", "--params-file", "--log-level", "foo", "--foo", "t:=u", "--remap=t:=u", "-h")),
    *([R, "--log-level", text] for text in ("loud", "base:=loud", ":=debug", "debug:=", "a:=b:=debug", "")),
    [R, "--params-file", "absent.yaml"],
    [R, "-r", "t:=u", "foo"],
]

FILES: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "name": (
        file_text(("base", "x: {a: 2, b: {c: 3.5}}\n    y.z: yes")),
        {"": {"x.a": 2, "x.b.c": 3.5, "y.z": True}, "/ns": {}, "/a/b": {}},
    ),
    "full name": (file_text(("/ns/base", "x: 1")), {"": {}, "/ns": {"x": 1}, "/a/b": {}}),
    "nested": ("ns:\n  base:\n    ros__parameters:\n      x: 1\n", {"": {}, "/ns": {"x": 1}, "/a/b": {}}),
    "all": (file_text(("/**", "x: 1")), {"": {"x": 1}, "/ns": {"x": 1}, "/a/b": {"x": 1}}),
    "one token": (file_text(("/*", "x: 1")), {"": {"x": 1}, "/ns": {}, "/a/b": {}}),
    "one token above": (file_text(("/*/base", "x: 1")), {"": {}, "/ns": {"x": 1}, "/a/b": {}}),
    "all above": (file_text(("/**/base", "x: 1")), {"": {"x": 1}, "/ns": {"x": 1}, "/a/b": {"x": 1}}),
    "all below": (file_text(("/ns/**", "x: 1")), {"": {}, "/ns": {"x": 1}, "/a/b": {}}),
    "in between": (file_text(("/ns/**/base", "x: 1")), {"": {}, "/ns": {"x": 1}, "/a/b": {}}),
    "later wins": (file_text(("/**", "x: 1"), ("base", "x: 2")), {"": {"x": 2}, "/ns": {"x": 1}, "/a/b": {"x": 1}}),
    "wildcard later": (file_text(("base", "x: 2"), ("/**", "x: 1")), {"": {"x": 1}, "/ns": {"x": 1}, "/a/b": {"x": 1}}),
    "merged": (file_text(("base", "x: 2"), ("base", "y: 3")), {"": {"x": 2, "y": 3}, "/ns": {}, "/a/b": {}}),
    "two spellings": (
        file_text(("/base", "x: 2"), ("/**", "x: 5"), ("base", "x: 1")),
        {"": {"x": 1}, "/ns": {"x": 5}, "/a/b": {"x": 5}},
    ),
    "documents": (file_text(("base", "x: 1")) + "---\n" + file_text(("base", "x: 2")), {"": {"x": 2}, "/ns": {}}),
    "empty": ("# nothing\n", {"": {}, "/ns": {}}),
    "none": ("base:\n  ros__parameters: {}\n", {"": {}, "/ns": {}}),
    "block scalars": (
        file_text(("base", "x: >\n      a\n      b\n    y: ''")),
        {"": {"x": "a b\n", "y": ""}, "/ns": {}},
    ),
}

REFUSED_FILES: dict[str, tuple[str, str]] = {
    "no ros__parameters": ("base:\n  x: 1\n", "line 2"),
    "no node": ("ros__parameters:\n  x: 1\n", "node name"),
    "no parameters": ("base:\n  ros__parameters:\n", "ros__parameters"),
    "a list": ("- x\n", "mapping"),
    "list of nodes": ("base:\n  - x\n", "line 2"),
    "parameters are a list": ("base:\n  ros__parameters: [3]\n", "line 2"),
    "no value": (file_text(("base", "x:")), "x has no value"),
    "empty mapping": (file_text(("base", "x: {}")), "x is an empty mapping"),
    "mixed list": (file_text(("base", "y: 1\n    x: [1, 2.0]")), r"line 4: x: \[1, 2.0\] mixes integer and double"),
    "alias": (file_text(("base", "x: &q 1\n    y: *q")), "line 4: aliases"),
    "tab": ("base:\n\tros__parameters:\n", "line 2"),
    "node name": (file_text(("/ba*", "x: 1")), r"/ba\*"),
    "empty key": (file_text(("base", "'': 1")), "line 3"),
}
