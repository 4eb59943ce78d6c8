"""Starts the depth node: ``ros2 launch depth_anything_ros depth.launch.py image_topic:=/camera/image_raw``.

An argument that is not given changes nothing: the parameter file keeps its say.
"""

from __future__ import annotations

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription

PACKAGE = "depth_anything_ros"
CAMERA = "{camera}"
# Launch arguments that are parameters of the node under the same name.
PARAMETERS = (
    *("model", "engine", "image_transport", "autostart", "accept_license", "resize", "scale_file"),
    *("camera_size", "engine_meanwhile"),
)
YES_NO = ("true", "false")
OUTPUTS = ("depth/image", "depth/camera_info", "points", "image_rect", "depth/colored", "points_clearing")


def generate_launch_description() -> LaunchDescription:
    """Arguments with their descriptions, then the node and, on request, RViz."""
    share = FindPackageShare(PACKAGE)
    return LaunchDescription(
        [
            _argument(
                "image_topic",
                "topic of the camera's images, without /compressed; with several cameras a pattern such as"
                " /{camera}/image_raw. Not given: image (of each camera: <name>/image)",
            ),
            _argument(
                "camera_info_topic",
                "topic of the camera's CameraInfo, a pattern as image_topic. Not given: camera_info beside the"
                " images, as image_transport names it (/camera/image_raw -> /camera/camera_info)",
            ),
            _argument(
                "image_transport", "raw, or compressed (JPEG, PNG on <image_topic>/compressed)", "raw compressed"
            ),
            _argument("cameras", "names of several cameras that share one engine, for example [front,left]"),
            _argument(
                "model",
                "path of an .onnx file with its spec beside it, or the name of a known model (da3metric-large), which"
                " is fetched if it was not yet; starter: the network in the package",
            ),
            _argument("engine", "what runs the network", "auto openvino onnxruntime tensorrt torch plane"),
            _argument("engine_meanwhile", "CPU engine while a plan is being built", "none auto openvino onnxruntime"),
            _argument("camera_size", "as 640x480: prepare the engine for it before the first image"),
            _argument("resize", "another input size than the network's own: short_side:N or long_side:N"),
            _argument("accept_license", "terms of weights that you accept: cc-by-nc-4.0, unclear"),
            _argument("scale_file", "calibration of the metres, written by calibrate-scale"),
            _argument("autostart", "configure and activate at once; false under a lifecycle manager", "true false"),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([share, "config", "depth.yaml"]),
                description="parameter file; arguments that are given go before it",
            ),
            _argument("namespace", "namespace of the node and its topics"),
            _argument("log_level", "lowest level of the log that is shown", "debug info warn error fatal"),
            DeclareLaunchArgument(
                "rviz", default_value="false", choices=YES_NO, description="show image, depth and cloud in RViz"
            ),
            _argument("rviz_frame", "fixed frame of RViz: the frame_id of the images where there is no TF tree"),
            OpaqueFunction(function=_start),
        ]
    )


def _argument(name: str, description: str, choices: str = "") -> DeclareLaunchArgument:
    """An argument that may stay without a value."""
    accepted = ["", *choices.split()] if choices else None
    return DeclareLaunchArgument(name, default_value="", description=description, choices=accepted)


def _start(context: LaunchContext) -> list[Node]:
    given = {name: value for name in context.launch_configurations if (value := _value(context, name))}
    cameras = _cameras(given.get("cameras", ""))
    remappings = _remappings(given.get("image_topic", ""), given.get("camera_info_topic", ""), cameras)
    parameters: dict[str, object] = {name: given[name] for name in PARAMETERS if name in given}
    if "autostart" in given:
        parameters["autostart"] = given["autostart"] == "true"
    if cameras:
        parameters["cameras"] = cameras
    log_arguments = ["--ros-args", "--log-level", given["log_level"]] if "log_level" in given else []
    node = Node(
        package=PACKAGE,
        executable="depth_node",
        namespace=given.get("namespace"),
        parameters=[given["params_file"], parameters] if parameters else [given["params_file"]],
        remappings=remappings,
        arguments=log_arguments,
        output="screen",
        emulate_tty=True,
    )
    return [node, _rviz(context, given, remappings)] if given["rviz"] == "true" else [node]


def _value(context: LaunchContext, name: str) -> str:
    return str(LaunchConfiguration(name).perform(context)).strip()


def _cameras(text: str) -> list[str]:
    """The names in ``[front,left]`` or ``front,left``."""
    names = yaml.safe_load(text if text.startswith("[") else f"[{text}]") if text else []
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"cameras is {text!r}; accepted: names such as [front,left]")
    return list(names)


def _remappings(image_topic: str, camera_info_topic: str, cameras: list[str]) -> list[tuple[str, str]]:
    """Rules from the node's own names to the given topics; none where nothing was given."""
    if image_topic.endswith("/compressed"):
        base = image_topic[: -len("/compressed")]
        raise ValueError(f"image_topic is {image_topic!r}; give image_topic:={base} image_transport:=compressed")
    if image_topic and not camera_info_topic:
        camera_info_topic = f"{image_topic.rpartition('/')[0]}/camera_info" if "/" in image_topic else "camera_info"
    rules = []
    for own, topic in (("image", image_topic), ("camera_info", camera_info_topic)):
        if not topic:
            continue
        if bool(cameras) != (CAMERA in topic):
            accepted = f"a topic with {CAMERA} in it" if cameras else f"a topic without {CAMERA}, or cameras:=[...]"
            raise ValueError(f"{own}_topic is {topic!r} for {len(cameras) or 'one'} camera(s); accepted: {accepted}")
        for camera in cameras or [""]:
            name = f"{camera}/{own}" if camera else own
            target = topic.replace(CAMERA, camera)
            rules.append((name, target))
            if own == "image":
                rules.append((f"{name}/compressed", f"{target}/compressed"))
    return rules


def _rviz(context: LaunchContext, given: dict[str, str], remappings: list[tuple[str, str]]) -> Node:
    """RViz with the package's view: its topics are those of one camera; with several, those of the first."""
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError as error:
        raise RuntimeError("rviz:=true needs the package rviz2, which is not installed here") from error
    first = _cameras(given.get("cameras", ""))[:1]
    prefix = "/".join(["", *filter(None, [given.get("namespace", "").strip("/"), *first])])
    own = {"/image": dict(remappings).get("/".join([*first, "image"]), f"{prefix}/image".replace("//", "/"))}
    own |= {f"/{name}": f"{prefix}/{name}".replace("//", "/") for name in OUTPUTS}
    config = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "depth.rviz"]).perform(context)
    frame = ["-f", given["rviz_frame"]] if "rviz_frame" in given else []
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", config, *frame],
        remappings=[(name, topic) for name, topic in own.items() if name != topic],
    )
