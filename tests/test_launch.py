"""The launch files under a real ROS 2: their arguments, what they hand to the node, and the node that they start.

They need a sourced workspace in which the package is built (``source install/setup.bash``).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from depth_anything_ros.params import BY_NAME
from tests.source_tree import PACKAGE, REPOSITORY

pytestmark = pytest.mark.ros
LAUNCH_FILES = ["depth.launch.py", "depth_bag.launch.py"]
START_S = 30.0
IN_ISSUE = {"image_topic", "camera_info_topic", "image_transport", "model", "params_file", "namespace", "rviz"}


@pytest.fixture(autouse=True)
def built() -> None:
    """Skip where the package is not built and sourced: then there is no executable to start."""
    index = pytest.importorskip("ament_index_python.packages", reason="needs a sourced ROS 2")
    try:
        prefix = Path(index.get_package_prefix(PACKAGE))
    except index.PackageNotFoundError:
        pytest.skip("needs a workspace with the package: colcon build, then source install/setup.bash")
    assert (prefix / "lib" / PACKAGE / "depth_node").is_file()


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A domain of the test's own, on this machine only."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(100 + os.getpid() % 100))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def description_of(name: str) -> Any:
    """The launch description that a file of the checkout makes."""
    sources = importlib.import_module("launch.launch_description_sources")
    return sources.get_launch_description_from_python_launch_file(str(REPOSITORY / "launch" / name))


def commands(name: str, **arguments: str) -> list[list[str]]:
    """The command lines of the nodes that a launch file would start at once; parameter files as their content."""
    launch, actions = importlib.import_module("launch"), importlib.import_module("launch_ros.actions")
    context = launch.LaunchContext()
    context.launch_configurations.update(arguments)
    found, todo = [], [description_of(name)]
    while todo:
        entity = todo.pop(0)
        if isinstance(entity, actions.Node):
            entity._perform_substitutions(context)
            words = [launch.utilities.perform_substitutions(context, word) for word in entity.cmd]
            found.append([word for word in words if word])
        elif not isinstance(entity, launch.actions.TimerAction):
            todo += entity.visit(context) or []
    return found


def parameters_in(command: list[str]) -> dict[str, Any]:
    """What the last of the parameter files holds: the arguments that were given."""
    files = [command[number + 1] for number, word in enumerate(command) if word == "--params-file"]
    text = Path(files[-1]).read_text("utf-8").replace("!!python/tuple", "")
    values: dict[str, Any] = yaml.safe_load(text)["/**"]["ros__parameters"]
    return values


def remappings_in(command: list[str]) -> set[str]:
    return {command[number + 1] for number, word in enumerate(command) if word == "-r"}


@pytest.mark.parametrize("name", LAUNCH_FILES)
def test_every_argument_is_described(name: str) -> None:
    arguments = description_of(name).get_launch_arguments()
    assert arguments
    assert [argument.name for argument in arguments if len(argument.description) < 10] == []


def test_the_arguments_are_there() -> None:
    names = {argument.name for argument in description_of("depth.launch.py").get_launch_arguments()}
    assert names >= IN_ISSUE


@pytest.mark.parametrize("name", ["engine", "image_transport", "engine_meanwhile"])
def test_choices_are_those_of_the_parameter(name: str) -> None:
    arguments = {argument.name: argument for argument in description_of("depth.launch.py").get_launch_arguments()}
    assert arguments[name].choices == ["", *BY_NAME[name].choices]


def test_without_arguments_the_parameter_file_alone_speaks() -> None:
    (command,) = commands("depth.launch.py")
    files = [word for word in command if word.endswith(".yaml")]
    assert [Path(word).name for word in files] == ["depth.yaml"]
    assert command.count("--params-file") == 1
    assert remappings_in(command) == set()


def test_given_arguments_go_before_the_file() -> None:
    given = {
        **{"model": "v2-large", "engine": "tensorrt", "accept_license": "cc-by-nc-4.0", "resize": "long_side:392"},
        **{"scale_file": "/a/scale.yaml", "camera_size": "640x480", "engine_meanwhile": "onnxruntime"},
    }
    (command,) = commands("depth.launch.py", autostart="false", log_level="debug", **given)
    assert command.count("--params-file") == 2
    assert parameters_in(command) == {"autostart": False, **given}
    assert command[command.index("--log-level") + 1] == "debug"


@pytest.mark.parametrize(
    ("image_topic", "camera_info_topic"),
    [
        ("/camera/image_raw", "/camera/camera_info"),
        ("/a/b/image_rect", "/a/b/camera_info"),
        ("camera/image_raw", "camera/camera_info"),
        ("/image_raw", "/camera_info"),
        ("image_raw", "camera_info"),
    ],
)
def test_camera_info_lies_beside_the_images(image_topic: str, camera_info_topic: str) -> None:
    (command,) = commands("depth.launch.py", image_topic=image_topic)
    assert remappings_in(command) == {
        f"image:={image_topic}",
        f"image/compressed:={image_topic}/compressed",
        f"camera_info:={camera_info_topic}",
    }


def test_a_named_camera_info_is_taken() -> None:
    (command,) = commands("depth.launch.py", image_topic="/c/image_raw", camera_info_topic="/other/info")
    assert "camera_info:=/other/info" in remappings_in(command)


def test_several_cameras_follow_one_pattern() -> None:
    (command,) = commands("depth.launch.py", cameras="[front,left]", image_topic="/{camera}/image_raw")
    assert parameters_in(command)["cameras"] == ["front", "left"]
    assert {"front/image:=/front/image_raw", "left/camera_info:=/left/camera_info"} <= remappings_in(command)
    (command,) = commands("depth.launch.py", cameras="front, left")
    assert parameters_in(command) == {"cameras": ["front", "left"]}
    assert remappings_in(command) == set()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image_topic": "/c/image_raw/compressed"}, "give image_topic:=/c/image_raw image_transport:=compressed"),
        ({"image_topic": "/c/image_raw", "cameras": "[a,b]"}, r"'/c/image_raw' for 2 camera.*with \{camera\} in it"),
        ({"image_topic": "/{camera}/image_raw"}, r"without \{camera\}, or cameras:="),
        ({"cameras": "[1, 2]"}, r"cameras is '\[1, 2\]'; accepted"),
        ({"image_transport": "theora"}, "theora"),
        ({"rviz": "perhaps"}, "perhaps"),
    ],
)
def test_mistakes_are_refused_with_what_is_accepted(arguments: dict[str, str], words: str) -> None:
    with pytest.raises((ValueError, RuntimeError), match=words):
        commands("depth.launch.py", **arguments)


def bag_folder(folder: Path, topics: dict[str, str]) -> Path:
    entries = [{"topic_metadata": {"name": name, "type": kind}, "message_count": 1} for name, kind in topics.items()]
    information = {"rosbag2_bagfile_information": {"topics_with_message_count": entries}}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(information), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "kind", "transport"),
    [("/c/image_raw", "Image", "raw"), ("/c/image_raw/compressed", "CompressedImage", "compressed")],
)
def test_the_only_images_of_a_bag_are_found(tmp_path: Path, name: str, kind: str, transport: str) -> None:
    topics = {
        name: f"sensor_msgs/msg/{kind}",
        "/c/depth/image": "sensor_msgs/msg/Image",
        "/tf": "tf2_msgs/msg/TFMessage",
    }
    (command,) = commands("depth_bag.launch.py", bag=str(bag_folder(tmp_path, topics)))
    assert "image:=/c/image_raw" in remappings_in(command)
    assert parameters_in(command)["image_transport"] == transport


def test_arguments_of_the_node_reach_it_from_a_bags_launch_too(tmp_path: Path) -> None:
    bag, given = bag_folder(tmp_path, {"/c/i": "sensor_msgs/msg/Image"}), {"model": "v2-small", "engine": "tensorrt"}
    (command,) = commands("depth_bag.launch.py", bag=str(bag), **given)
    assert parameters_in(command) == {"image_transport": "raw", **given}


def test_a_bag_with_two_cameras_asks_which(tmp_path: Path) -> None:
    topics = {f"/{camera}/image_raw": "sensor_msgs/msg/Image" for camera in ("front", "left")}
    with pytest.raises(ValueError, match="/front/image_raw, /left/image_raw; name one with image_topic"):
        commands("depth_bag.launch.py", bag=str(bag_folder(tmp_path, topics)))


def test_a_bag_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no bag at .*nothing"):
        commands("depth_bag.launch.py", bag=str(tmp_path / "nothing"))


class Launched:
    """``ros2 launch`` of a file, as a process with its output in a file."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.log = folder / "launch.log"
        command = [sys.executable, "-c", "from ros2cli.cli import main; main()", "launch", PACKAGE, name, *arguments]
        # What is installed is started, not the checkout that the tests run in.
        paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path != str(REPOSITORY)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, env=environment, cwd=folder
            )

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text("utf-8", "replace"))

    def wait_for(self, words: str) -> None:
        end = time.monotonic() + START_S
        while words not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < end, f"no {words!r} in:\n{self.text}"
            time.sleep(0.1)

    def stop(self) -> int:
        """As Ctrl-C in a terminal: the signal reaches everything that was started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(START_S)


@pytest.fixture
def launched(tmp_path: Path, domain: None) -> Iterator[Any]:
    started: list[Launched] = []

    def start(name: str, *arguments: str) -> Launched:
        started.append(Launched(tmp_path, name, *arguments))
        return started[-1]

    yield start
    for one in started:
        with contextlib.suppress(ProcessLookupError):  # the launch may be gone and what it started not
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()


def test_the_node_starts_and_ends(launched: Any) -> None:
    node = launched(
        "depth.launch.py", "image_topic:=/camera/image_raw", "engine:=plane", "model:=plane:", "namespace:=robot"
    )
    node.wait_for("ready: /camera/image_raw with /camera/camera_info")
    assert "[robot.depth_anything]" in node.text
    node.stop()
    assert "process has finished cleanly" in node.text, node.text
    assert "Traceback" not in node.text


def test_without_autostart_the_node_waits_for_its_manager(launched: Any) -> None:
    node = launched("depth.launch.py", "autostart:=false")
    node.wait_for("process started with pid")
    time.sleep(3.0)
    assert node.process.poll() is None
    assert "ready:" not in node.text
    node.stop()
    assert "process has finished cleanly" in node.text, node.text


def test_a_value_that_is_refused_ends_the_node_with_one_line(launched: Any, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("/**:\n  ros__parameters:\n    points:\n      strid: 2\n", "utf-8")
    node = launched("depth.launch.py", f"params_file:={file}")
    node.process.wait(START_S)
    assert "unknown parameter 'points.strid'; did you mean points.stride?" in node.text
    assert "exit code 2" in node.text
    assert "Traceback" not in node.text


def test_a_bag_is_played_to_the_node(launched: Any) -> None:
    play = launched("depth_bag.launch.py", f"bag:={REPOSITORY / PACKAGE / 'demo'}", "delay:=2.0", "rate:=4.0")
    play.wait_for("ready: ")
    play.wait_for("process started with pid")
    assert play.process.wait(60.0) == 0, play.text
    assert "the bag ended" in play.text or "finished cleanly" in play.text
    assert "Traceback" not in play.text


def test_the_node_is_ready_before_the_bag_and_its_clock_begin(launched: Any) -> None:
    play = launched("depth_bag.launch.py", f"bag:={REPOSITORY / PACKAGE / 'demo'}", "delay:=60.0")
    play.wait_for("ready: ")
    play.stop()
