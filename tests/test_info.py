"""``info``: machine, recording and network, as text and as JSON."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_anything_ros import __version__
from depth_anything_ros.cli import main
from depth_anything_ros.info import describe_tensorrt_engine
from tests.sample_bags import camera_recording, jpeg, picture, write_bag
from tests.tensorrt_double.install import installed
from tests.tensorrt_double.settings import Settings
from tests.tiny_networks import write_network


def info_of(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main(["info", *arguments, "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_machine(capsys: pytest.CaptureFixture[str]) -> None:
    main(["info", "--json"])
    machine = json.loads(capsys.readouterr().out)
    assert machine["depth_anything_ros"] == __version__
    assert machine["libraries"]["numpy"].startswith(np.__version__)
    assert {"cv2", "onnxruntime", "openvino", "rosbags", "open3d", "torch"} <= set(machine["libraries"])
    assert machine["cpu"]["usable cores"] >= 1
    assert isinstance(machine["cpu"]["native bf16"], bool)
    main(["info"])
    text = capsys.readouterr().out
    assert f"depth_anything_ros: {__version__}" in text
    assert "native bf16:" in text


def test_machine_names_the_engine_it_would_use_and_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("depth_anything_ros.engine.STARTER", write_network(tmp_path))
    runs = info_of(capsys)["network that runs by default"]
    assert runs["name"] == "tiny"
    assert runs["engine"] in ("openvino", "onnxruntime")
    assert runs["precision"] in ("fp32", "bf16")
    assert runs["why"].startswith("auto:")
    assert runs["golden sample"].startswith("reproduced")


def test_a_library_that_is_missing_names_its_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = (("surely_absent", ("surely-absent",), "cloud"),)
    monkeypatch.setattr("depth_anything_ros.info._LIBRARIES", absent)
    main(["info", "--json"])
    libraries = json.loads(capsys.readouterr().out)["libraries"]
    assert libraries == {"surely_absent": "not installed; pip install 'depth_anything_ros[cloud]'"}


def test_bag(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "walk", camera_recording(5))
    found = info_of(capsys, str(bag))
    assert found["storage"] == "mcap"
    assert found["duration_s"] == 0.4
    assert found["topics"]["/camera/image_raw"] == "sensor_msgs/msg/Image, 5 messages"
    assert found["cameras"]["/camera/camera_info"].startswith("64x48, fx 50.0 fy 50.0 cx 31.5 cy 23.5 px")
    assert "images on /camera/image_raw" in found["run takes"]
    assert "/camera/aligned_depth/image_raw" in found["run takes"]
    assert main(["info", str(bag)]) == 0
    text = capsys.readouterr().out
    assert "  /camera/image_raw: sensor_msgs/msg/Image, 5 messages" in text
    assert "problem" not in text


def test_bag_that_run_would_refuse_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recorded = [item for item in camera_recording(2) if item.topic == "/camera/camera_info"]
    found = info_of(capsys, str(write_bag(tmp_path / "walk", recorded)), code=2)
    assert found["problem"]
    assert found["run takes"] == "nothing without options"


def test_other_recordings(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(picture()))
    found = info_of(capsys, str(tmp_path))
    assert found["frames"] == 1
    assert "--camera-info" in found["camera"]


@pytest.mark.parametrize("by_spec", [False, True])
def test_network(capsys: pytest.CaptureFixture[str], tmp_path: Path, by_spec: bool) -> None:
    network = write_network(tmp_path, trained_frames=("dhash:0000000000000000",))
    found = info_of(capsys, str(network.with_suffix(".json") if by_spec else network))
    assert found["promises"]["licence"]["id"] == "Apache-2.0"
    assert found["promises"]["canonical_focal_px"] == 300.0
    assert found["promises"]["trained_frames"] == "1 real frames"
    assert found["runs here"]["golden sample"].startswith("reproduced to abs_rel")


def test_network_that_was_changed_shows_its_spec_and_the_problem(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    network = write_network(tmp_path)
    network.write_bytes(network.read_bytes() + b"\0")
    found = info_of(capsys, str(network), code=2)
    assert found["promises"]["name"] == "tiny"
    assert "SHA-256" in found["problem"]
    network.unlink()
    assert "no network at" in info_of(capsys, str(network.with_suffix(".json")), code=2)["problem"]


def test_plane_says_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    found = info_of(capsys, "plane:height=1.2,pitch=10")
    assert "geometry tests and camera checks only" in found["promises"]["description"]
    assert found["runs here"]["precision"] == "exact"


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere", "nowhere does not exist"), ("nowhere.onnx", "no network at"), ("nowhere.json", "no spec at")],
)
def test_what_is_not_there(name: str, words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["info", str(tmp_path / name)]) == 2
    assert words in capsys.readouterr().err


def test_what_the_live_commands_run_on_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: set[str] = set()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name in installed else None)
    main(["info", "--json"])
    assert "Cyclone DDS on its wire format" in json.loads(capsys.readouterr().out)["live"]
    installed.add("rclpy")
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    main(["info", "--json"])
    assert json.loads(capsys.readouterr().out)["live"] == "ROS 2 jazzy, rclpy"


def test_known_models_are_listed_and_described(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    models = info_of(capsys, "models")["known models"]
    assert models["v2-large"] == "Depth Anything V2 large, relative; CC-BY-NC-4.0 (non-commercial); not fetched"
    known = info_of(capsys, "DA3METRIC-LARGE")
    assert known["known as"] == "da3metric-large"
    assert known["gives"] == "metres, from the camera's focal length"
    assert known["must be accepted with"] == ""
    assert known["fetched"] == "da3metric-large was not fetched yet: depth_anything_ros fetch da3metric-large"
    assert info_of(capsys, "v2-large")["must be accepted with"] == "--accept-license cc-by-nc-4.0"
    folder = tmp_path / "depth_anything_ros" / "models" / "v2-small"
    folder.mkdir(parents=True)
    write_network(folder, name="v2-small")
    (folder / "DONE").touch()
    assert info_of(capsys, "v2-small")["network"] == str(folder / "v2-small.onnx")
    assert info_of(capsys, "models")["known models"]["v2-small"].endswith("; fetched")


def test_the_tensorrt_engine_says_how_far_it_was_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with installed(Settings(version="10.16")):
        found = describe_tensorrt_engine()
    assert found["tensorrt"].startswith("TensorRT 10.16") and found["gpu"].startswith("CUDA device 0, ")
    assert found["state"].endswith("not yet run on hardware")
    assert info_of(capsys)["tensorrt engine"]["state"] == found["state"]
    readme = " ".join((Path(__file__).parents[1] / "README.md").read_text().replace("*", "").split())
    assert f"TensorRT is {found['state']}" in readme


def test_the_folder_of_a_network_is_that_network(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    network = write_network(tmp_path)
    assert info_of(capsys, str(tmp_path))["network"] == str(network)
