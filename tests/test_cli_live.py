"""The options of play, watch and node: they arrive as given, mistakes are one line, ROS's arguments pass through."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from depth_anything_ros import cli
from depth_anything_ros.cli_live import split_ros_arguments
from depth_anything_ros.errors import ConfigError
from depth_anything_ros.play.command import PlayOptions
from depth_anything_ros.watch.command import WatchOptions


@pytest.mark.parametrize(
    ("arguments", "own", "ros"),
    [
        (["x", "--loop"], ["x", "--loop"], []),
        (
            ["x", "--ros-args", "-r", "a:=b", "--log-level", "warn"],
            ["x"],
            ["--ros-args", "-r", "a:=b", "--log-level", "warn"],
        ),
        (["--ros-args", "-r", "a:=b", "--", "x", "--loop"], ["x", "--loop"], ["--ros-args", "-r", "a:=b", "--"]),
        (
            ["--ros-args", "-r", "a:=b", "--", "x", "--ros-args", "-p", "c:=1"],
            ["x"],
            ["--ros-args", "-r", "a:=b", "--", "--ros-args", "-p", "c:=1"],
        ),
        (["x", "--", "y"], ["x", "--", "y"], []),
    ],
)
def test_ros_arguments_are_told_apart(arguments: list[str], own: list[str], ros: list[str]) -> None:
    assert split_ros_arguments(arguments) == (own, ros)


def test_play_options_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[PlayOptions] = []
    monkeypatch.setattr("depth_anything_ros.play.command.play", lambda options: seen.append(options) or 5)
    assert cli.main(["play", "bag"]) == 5
    assert seen[0] == PlayOptions(source="bag")
    options = "--rate 2 --fps 15 --loop --frames 7 --wait 2 --keep-stamps --compressed --qos sensor_data --size 640x480"
    topics = "--image-topic /a --camera-info-topic /b --camera-info c.yaml --rectified"
    assert cli.main(["play", *options.split(), *topics.split(), "bag", "--ros-args", "-r", "__ns:=/cam"]) == 5
    assert seen[1] == PlayOptions(
        source="bag",
        image_topic="/a",
        camera_info_topic="/b",
        camera_info=Path("c.yaml"),
        rectified=True,
        size=(640, 480),
        rate=2.0,
        fps=15.0,
        loop=True,
        frames=7,
        wait=2,
        keep_stamps=True,
        compressed=True,
        qos="sensor_data",
        ros_arguments=("--ros-args", "-r", "__ns:=/cam"),
    )


def test_watch_options_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[WatchOptions] = []
    monkeypatch.setattr("depth_anything_ros.watch.command.watch", lambda options: seen.append(options) or 0)
    assert cli.main(["watch"]) == 0
    assert seen[0] == WatchOptions()
    options = "--image /a --depth /b --points /c --seconds 3 --frames 7 --timeout 9 --save d --no-picture --foxglove"
    assert cli.main(["watch", *options.split(), "--host", "0.0.0.0", "--port", "0"]) == 0
    assert seen[1] == WatchOptions(
        image="/a",
        depth="/b",
        points="/c",
        seconds=3.0,
        frames=7,
        timeout=9.0,
        save=Path("d"),
        picture=False,
        foxglove=True,
        host="0.0.0.0",
        port=0,
    )


def test_all_that_follows_node_is_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    node = ModuleType("depth_anything_ros.node")
    node.main = lambda arguments: seen.append(arguments) or 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "depth_anything_ros.node", node)
    arguments = ["--ros-args", "-p", "model:=x", "--params-file", "f", "-r", "image:=/camera/image_raw", "--modle"]
    assert cli.main(["node", *arguments]) == 3
    assert seen == [arguments]


def test_an_error_of_the_node_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(arguments: list[str]) -> int:
        raise ConfigError("parameter modle is unknown")

    node = ModuleType("depth_anything_ros.node")
    node.main = fail  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "depth_anything_ros.node", node)
    assert cli.main(["node"]) == 2
    assert capsys.readouterr().err == "depth_anything_ros: error: parameter modle is unknown\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["play"], "required: SOURCE"),
        (["play", "x", "--lopo"], "unknown option --lopo; did you mean --loop?"),
        (["play", "x", "--rate", "0"], "'0'; accepted: a number above 0"),
        (["play", "x", "--size", "640"], "'640'; accepted: WIDTHxHEIGHT"),
        (["play", "x", "--qos", "best"], "'best'"),
        (["play", "nowhere"], "nowhere does not exist"),
        (["play", "/dev/video97"], "/dev/video97 does not exist; cameras of this machine: "),
        (["watch", "--foxglvoe"], "did you mean --foxglove?"),
        (["watch", "--port", "70000"], "'70000'; accepted: a port"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = cli.main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == "" and captured.err.count("\n") == 1
    assert words in captured.err


def test_options_behind_ros_args_are_not_taken_for_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depth_anything_ros.play.command.play", lambda options: 0)
    assert cli.main(["play", "x", "--ros-args", "--log-level", "debug", "--params-file", "f.yaml"]) == 0
