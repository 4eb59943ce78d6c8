"""Watch as a process beside a camera with depth: figures, pictures, exit codes, and words while nothing comes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from depth_anything_ros.errors import MissingDependency
from depth_anything_ros.watch.command import WatchOptions, watch
from tests.embedded.domains import unused_domain
from tests.worlds import require_world

require_world()

# A camera at 20 Hz with a wall at 2 m: image, depth and cloud with the stamps of publishing, and a diagnostic.
RIG = """
import sys, time
import numpy as np
from depth_anything_ros import qos, ros
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import DepthFrame
from depth_anything_ros.live_node import live_node
from depth_anything_ros.messages import MessageFactory
from depth_anything_ros.point_cloud import CloudBuilder
from depth_anything_ros.watch.topics import DIAGNOSTICS, IMAGE, POINTS

with live_node("rig") as node:
    camera = CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    depth = np.full((48, 64), 2.0, np.float32)
    make, profile = MessageFactory(ros.message), qos.profile(sys.argv[1], 1)
    topics = (("image", IMAGE), ("depth/image", IMAGE), ("points", POINTS), ("/diagnostics", DIAGNOSTICS))
    images, depths, points, diagnostics = [node.create_publisher(ros.message(k), t, profile) for t, k in topics]
    builder = CloudBuilder(camera)

    def publish():
        frame = DepthFrame(depth, picture, camera, time.time_ns() - int(sys.argv[2]), "optical")
        header = make.header_of(frame)
        images.publish(make.image(header, picture))
        depths.publish(make.depth(header, frame))
        points.publish(make.cloud(header, builder.build(depth, picture)))
        status = ros.message("diagnostic_msgs/msg/DiagnosticStatus")(level=b"\\x01", name="rig", message="is a double")
        diagnostics.publish(ros.message(DIAGNOSTICS)(header=header, status=[status]))

    node.create_timer(0.05, publish)
    print("ready", flush=True)
    ros.spin(node)
"""


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    domain = str(unused_domain())
    return {**os.environ, "ROS_DOMAIN_ID": domain, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def start_rig(environment: dict[str, str], profile: str = "default", age_ns: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RIG, profile, str(age_ns)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture(scope="module")
def rig(environment: dict[str, str]) -> Iterator[None]:
    process = start_rig(environment)
    yield
    end(process)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "depth_anything_ros", "watch", *map(str, arguments)]


def run(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, timeout=90, check=False)


def topics_in(folder: Path) -> dict[str, Any]:
    topics: dict[str, Any] = json.loads((folder / "watch.json").read_text())["topics"]
    return topics


@pytest.mark.usefixtures("rig")
def test_frames_are_watched_and_saved(environment: dict[str, str], tmp_path: Path) -> None:
    done = run(environment, "--frames", 30, "--save", tmp_path)
    assert done.returncode == 0, done.stderr
    topics = topics_in(tmp_path)
    assert {role: topic["topic"] for role, topic in topics.items()} == {
        "image": "/image",
        "depth": "/depth/image",
        "points": "/points",
    }
    assert topics["depth"]["count"] == 30
    for topic in topics.values():
        assert topic["rate_hz"] == pytest.approx(20.0, rel=0.1)
        assert 0.0 < topic["age_ms"]["p50"] < 200.0
        assert topic["frame_id"] == "optical"
    assert [topic["shape"] for topic in topics.values()] == ["rgb8 64x48", "32FC1 64x48", "64x48 points"]
    for name in ("live.png", "cloud.png"):
        assert cv2.imread(str(tmp_path / name)).std() > 5.0
    assert "depth: /depth/image: 30 messages, " in done.stdout
    assert "warning: rig: is a double" in done.stdout


@pytest.mark.usefixtures("rig")
def test_too_few_frames_are_a_failure_with_the_reason(environment: dict[str, str]) -> None:
    done = run(environment, "--depth", "/deph/image", "--frames", 5, "--timeout", 3)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if "error:" in line]
    assert "0 of 5 depth frames came within 3 s; nobody publishes /deph/image; did you mean /depth/image?" in line


def test_best_effort_publishers_and_old_stamps_are_watched(environment: dict[str, str], tmp_path: Path) -> None:
    own = {**environment, "ROS_DOMAIN_ID": str(unused_domain())}
    process = start_rig(own, "sensor_data", 7_200_000_000_000)
    done = run(own, "--frames", 5, "--save", tmp_path)
    end(process)
    assert done.returncode == 0, done.stderr
    assert topics_in(tmp_path)["depth"]["stamps_are_of_this_clock"] is False
    assert "stamps are not of this clock" in done.stdout


def test_a_publisher_may_come_later_and_come_back(environment: dict[str, str], tmp_path: Path) -> None:
    own = {**environment, "ROS_DOMAIN_ID": str(unused_domain())}
    watcher = subprocess.Popen(command("--save", tmp_path), env=own, stdout=subprocess.PIPE, text=True)
    assert watcher.stdout is not None
    lines: list[str] = []

    def read_until(words: str) -> None:
        assert watcher.stdout is not None
        for line in watcher.stdout:
            lines.append(line)
            if words in line:
                return
        raise AssertionError(f"no {words!r} in {lines}")

    read_until("waiting: no camera image: nobody publishes one")
    first = start_rig(own)
    read_until("/depth/image 20.")
    end(first)
    read_until("nobody publishes /depth/image any more")
    second = start_rig(own)
    read_until("/depth/image 20.")
    watcher.send_signal(signal.SIGINT)
    rest, _ = watcher.communicate(timeout=30)
    end(second)
    assert watcher.returncode == 0
    assert "depth: /depth/image: " in rest
    assert topics_in(tmp_path)["depth"]["count"] > 20


def test_ctrl_c_while_nothing_came_ends_with_what_is_waited_for(environment: dict[str, str]) -> None:
    own = {**environment, "ROS_DOMAIN_ID": str(unused_domain())}
    watcher = subprocess.Popen(command(), env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert watcher.stdout is not None
    assert watcher.stdout.readline().startswith("waiting: no camera image")
    watcher.send_signal(signal.SIGTERM)
    output, errors = watcher.communicate(timeout=30)
    assert watcher.returncode == 0
    assert "waiting: no depth image" in output and "Traceback" not in errors


@pytest.mark.usefixtures("rig")
def test_a_terminal_shows_pictures(environment: dict[str, str]) -> None:
    pty = pytest.importorskip("pty")
    own, terminal = pty.openpty()
    colour = {**environment, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", "PYTHONIOENCODING": "utf-8"}
    colour.pop("NO_COLOR", None)
    watcher = subprocess.Popen(command("--frames", 30), env=colour, stdout=terminal, stdin=terminal)
    os.close(terminal)
    chunks = []
    limit_s = time.monotonic() + 60.0
    while time.monotonic() < limit_s:
        try:
            chunk = os.read(own, 65536)
        except OSError:  # the other side was closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(own)
    assert watcher.wait(timeout=30) == 0
    text = b"".join(chunks).decode()
    screen, _, after = text.rpartition("\x1b[?1049l")
    last = screen.rpartition("\x1b[H")[2]
    assert "/depth/image" in last and "warning: rig: is a double" in last
    assert last.count("▀") > 500
    assert len(re.findall("\x1b\\[48;2;", last)) > 100
    assert "depth: /depth/image: 30 messages" in after


@pytest.mark.usefixtures("rig")
def test_foxglove_is_served_beside_the_figures(environment: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("foxglove")
    done = run(environment, "--foxglove", "--port", 0, "--frames", 20, "--save", tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"open ws://127\.0\.0\.1:\d+ in Foxglove", done.stdout)
    assert topics_in(tmp_path)["depth"]["count"] == 20
    assert cv2.imread(str(tmp_path / "cloud.png")).std() > 5.0


def test_without_its_library_foxglove_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "foxglove", None)
    monkeypatch.delitem(sys.modules, "depth_anything_ros.watch.foxglove", raising=False)
    with pytest.raises(MissingDependency, match=r"depth_anything_ros\[view\]"):
        watch(WatchOptions(foxglove=True))
