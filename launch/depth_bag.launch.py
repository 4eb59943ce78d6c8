"""Starts the depth node on a recording: ``ros2 launch depth_anything_ros depth_bag.launch.py bag:=/path/to/bag``.

The bag's clock is the time of the node and of RViz. The launch ends with the bag, unless RViz is shown. Arguments of
``depth.launch.py``, such as ``model:=`` and ``engine:=``, reach the node too.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import yaml
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
    TimerAction,
)
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import SetParameter
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription

PACKAGE = "depth_anything_ros"
YES_NO = ("true", "false")
TRANSPORTS = {"sensor_msgs/msg/Image": "raw", "sensor_msgs/msg/CompressedImage": "compressed"}


def generate_launch_description() -> LaunchDescription:
    """Arguments with their descriptions, then the node and, a little later, the bag."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="folder of a ROS 2 bag"),
            DeclareLaunchArgument(
                "image_topic",
                default_value="",
                description="topic of the images in the bag. Not given: the only one that is not depth",
            ),
            DeclareLaunchArgument(
                "image_transport",
                default_value="",
                choices=["", "raw", "compressed"],
                description="raw or compressed. Not given: as the bag has that topic",
            ),
            DeclareLaunchArgument("rate", default_value="1.0", description="speed of playing; 1.0: as recorded"),
            DeclareLaunchArgument(
                "loop", default_value="false", choices=YES_NO, description="start again at the end of the bag"
            ),
            DeclareLaunchArgument(
                "delay", default_value="5.0", description="time for the node to load its network before the bag [s]"
            ),
            DeclareLaunchArgument(
                "rviz", default_value="false", choices=YES_NO, description="show image, depth and cloud in RViz"
            ),
            OpaqueFunction(function=_start),
        ]
    )


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    bag, rate, delay = (LaunchConfiguration(name).perform(context) for name in ("bag", "rate", "delay"))
    image_topic = LaunchConfiguration("image_topic").perform(context)
    transport = LaunchConfiguration("image_transport").perform(context)
    if not Path(bag).exists():
        raise ValueError(f"no bag at {bag!r}; accepted: the folder of a ROS 2 bag")
    if not image_topic:
        image_topic, transport = _only_image_topic(Path(bag))
    elif not transport:
        # A bag whose metadata cannot be read plays all the same, as raw images.
        with contextlib.suppress(ValueError):
            transport = _image_topics(Path(bag)).get(image_topic, "")
    arguments = {"image_topic": image_topic, "image_transport": transport}
    launch_file = PathJoinSubstitution([FindPackageShare(PACKAGE), "launch", "depth.launch.py"])
    node = IncludeLaunchDescription(PythonLaunchDescriptionSource(launch_file), launch_arguments=arguments.items())
    play = ["ros2", "bag", "play", bag, "--rate", _positive("rate", rate), "--disable-keyboard-controls", "--clock"]
    is_shown = LaunchConfiguration("rviz").perform(context) == "true"
    if LaunchConfiguration("loop").perform(context) == "true":
        play.insert(4, "--loop")
    player = ExecuteProcess(cmd=play, output="screen", on_exit=[] if is_shown else [Shutdown(reason="the bag ended")])
    return [
        GroupAction([SetParameter("use_sim_time", True), node]),
        TimerAction(period=float(_positive("delay", delay)), actions=[player]),
    ]


def _positive(name: str, text: str) -> str:
    try:
        if float(text) > 0:
            return text
    except ValueError:
        pass
    raise ValueError(f"{name} is {text!r}; accepted: a number above 0")


def _only_image_topic(bag: Path) -> tuple[str, str]:
    """Topic of a bag's only pictures and their transport."""
    found = _image_topics(bag)
    if len(found) != 1:
        known = ", ".join(found) or "none"
        raise ValueError(f"image topics in {bag}: {known}; name one with image_topic")
    return found.popitem()


def _image_topics(bag: Path) -> dict[str, str]:
    """Topics of a bag's pictures, without ``/compressed``, with their transports."""
    folder = bag if bag.is_dir() else bag.parent
    try:
        information = yaml.safe_load((folder / "metadata.yaml").read_text("utf-8"))["rosbag2_bagfile_information"]
        topics = [entry["topic_metadata"] for entry in information["topics_with_message_count"]]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ValueError(
            f"{folder} has no readable metadata.yaml ({error}); name the images with image_topic"
        ) from error
    found: dict[str, str] = {}
    for topic in topics:
        transport = TRANSPORTS.get(topic["type"])
        name = str(topic["name"]).removesuffix("/compressed")
        if transport and "depth" not in name.lower() and found.get(name) != "raw":
            found[name] = transport
    return found
