"""Play: what is published when, with which stamps; and as a process, seen over DDS by ``watch``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from depth_anything_ros.cdr_header import read_header
from depth_anything_ros.play.command import Player, PlayOptions
from depth_anything_ros.play.source import PlayFrame
from depth_anything_ros.source_frame import DroppedFrame
from tests.embedded.domains import unused_domain
from tests.sample_bags import CAMERA_INFO, IMAGE, START_NS, STORE, camera_info_message, image_message, picture
from tests.worlds import FakeNode, require_world

require_world()

PERIOD_NS = 20_000_000


class FakeSource:
    """Frames every 20 ms, the second of them unusable, each with a CameraInfo if ``with_info``."""

    description, camera_note = "a double", "known"

    def __init__(self, count: int = 5, *, is_live: bool = False, with_info: bool = True, fails: bool = False) -> None:
        self.count, self.is_live, self.with_info, self.fails = count, is_live, with_info, fails
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[PlayFrame | DroppedFrame]:
        for index in range(self.count):
            stamp_ns = START_NS + index * PERIOD_NS
            image = STORE.serialize_cdr(image_message(picture(index), "rgb8", stamp_ns), IMAGE)
            info = STORE.serialize_cdr(camera_info_message(stamp_ns), CAMERA_INFO) if self.with_info else None
            if index == 1:
                yield DroppedFrame(index, stamp_ns, "corrupt image", "cut")
            else:
                yield PlayFrame(stamp_ns, image, info)
        if self.fails:
            raise RuntimeError("unplugged")

    def close(self) -> None:
        pass


def played(source: FakeSource, **options: Any) -> tuple[Player, FakeNode]:
    """A player that has come to its end, and the node with what it published."""
    player, node = Player(source, PlayOptions(source="x", **options)), FakeNode()
    player.start(node)
    wait_until(lambda: player.is_finished)
    player.stop()
    return player, node


def wait_until(condition: Any, limit_s: float = 20.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.005)


def stamps(node: FakeNode, topic: str) -> list[int]:
    return [read_header(cdr)[0] for cdr in node.publishers[topic].sent]


@pytest.fixture(autouse=True)
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    """The player asks whether ROS runs; nothing is initialised here."""
    monkeypatch.setattr("depth_anything_ros.ros.ok", lambda: True)


def test_images_and_infos_have_one_stamp_that_of_publishing() -> None:
    before_ns = time.time_ns()
    player, node = played(FakeSource())
    assert stamps(node, "/robot/image") == stamps(node, "/robot/camera_info")
    assert len(stamps(node, "/robot/image")) == player.num_published == 4
    assert before_ns <= min(stamps(node, "/robot/image")) and max(stamps(node, "/robot/image")) <= time.time_ns()
    assert player.drops.counts == {"corrupt image": 1}
    sent = STORE.deserialize_cdr(node.publishers["/robot/image"].sent[-1], IMAGE)
    assert bytes(sent.data) == picture(4).tobytes()


def test_stamps_can_be_kept() -> None:
    _, node = played(FakeSource(), keep_stamps=True)
    assert stamps(node, "/robot/image") == [START_NS + index * PERIOD_NS for index in (0, 2, 3, 4)]


def test_the_recordings_own_rate_is_kept() -> None:
    _, node = played(FakeSource(26))
    times = stamps(node, "/robot/image")
    assert (times[-1] - times[0]) / 1e9 == pytest.approx(25 * 0.02, rel=0.1)


def test_a_loop_ends_after_the_frames_asked_for() -> None:
    player, node = played(FakeSource(), loop=True, frames=10, keep_stamps=True)
    assert player.num_published == 10
    assert stamps(node, "/robot/image")[4] == START_NS
    assert "note: the recording was played in a loop" in player.summary()


def test_a_loop_over_nothing_ends() -> None:
    player, _ = played(FakeSource(2, is_live=True), loop=True, frames=3)
    assert player.num_published == 3
    assert played(FakeSource(0), loop=True)[0].num_published == 0


def test_compressed_images_go_where_image_transport_looks() -> None:
    _, node = played(FakeSource(1), compressed=True)
    assert list(node.publishers) == ["/robot/image/compressed", "/robot/camera_info"]


def test_without_intrinsics_images_are_published_alone() -> None:
    _, node = played(FakeSource(with_info=False))
    assert len(node.publishers["/robot/image"].sent) == 4
    assert node.publishers["/robot/camera_info"].sent == []


def test_qos_is_that_of_a_driver_or_reliable() -> None:
    from depth_anything_ros.ros import ReliabilityPolicy

    for name, reliability in (("reliable", ReliabilityPolicy.RELIABLE), ("sensor_data", ReliabilityPolicy.BEST_EFFORT)):
        _, node = played(FakeSource(1), qos=name)
        assert node.publishers["/robot/image"].qos_profile.reliability == reliability


def test_it_waits_for_subscribers_and_can_be_stopped_meanwhile() -> None:
    node = FakeNode()
    player = Player(FakeSource(), PlayOptions(source="x", wait=2))
    player.start(node)
    publisher = node.publishers["/robot/image"]
    publisher.num_subscriptions = 1
    time.sleep(0.2)
    assert publisher.sent == []
    publisher.num_subscriptions = 2
    wait_until(lambda: player.is_finished)
    assert len(publisher.sent) == 4
    waiting = Player(FakeSource(), PlayOptions(source="x", wait=2))
    waiting.start(FakeNode())
    waiting.stop()
    assert (waiting.num_published, waiting.is_finished) == (0, False)


def test_an_error_of_the_source_is_kept_for_the_caller() -> None:
    player, _ = played(FakeSource(fails=True))
    assert str(player.error) == "unplugged"
    assert player.num_published == 4


def test_the_summary_has_rate_lateness_and_drops() -> None:
    lines = played(FakeSource())[0].summary().splitlines()
    assert lines[0].startswith("played 4 frames in 0.1 s, ")
    assert "came more than 10 ms late" in lines[0]
    assert lines[1] == "dropped 1: corrupt image (cut)"
    assert "late" not in played(FakeSource(is_live=True))[0].summary()


@pytest.fixture
def domain() -> dict[str, str]:
    """The environment of processes in a domain of their own."""
    return {**os.environ, "ROS_DOMAIN_ID": str(unused_domain()), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def start(environment: dict[str, str], *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "depth_anything_ros", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_demo_arrives_in_another_process(domain: dict[str, str], repository: Path, tmp_path: Path) -> None:
    demo = repository / "depth_anything_ros" / "demo"
    remap = ["--ros-args", "-r", "__ns:=/front", "-r", "image:=image_raw"]
    watcher = start(domain, "watch", "--image", "/front/image_raw", "--save", tmp_path)
    player = start(domain, "play", demo, "--wait", 1, "--rate", 2, *remap)
    output, errors = player.communicate(timeout=60)
    assert player.returncode == 0, errors
    assert "topics:  /front/image_raw (sensor_msgs/msg/Image), /front/camera_info; reliable" in output
    assert "played 50 frames in " in output
    watcher.send_signal(signal.SIGINT)
    said, errors = watcher.communicate(timeout=60)
    assert watcher.returncode == 0, errors
    image = json.loads((tmp_path / "watch.json").read_text())["topics"]["image"]
    assert image["count"] == 50, said
    assert image["rate_hz"] == pytest.approx(20.0, rel=0.05)
    assert image["shape"] == "rgb8 424x240"
    assert image["frame_id"] == "camera_optical_frame"
    assert 0.0 < image["age_ms"]["p50"] < 100.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_with_the_summary(domain: dict[str, str], repository: Path, number: int) -> None:
    player = start(domain, "play", repository / "depth_anything_ros" / "demo", "--loop")
    assert player.stdout is not None
    for line in player.stdout:
        if line.startswith("topics:"):
            break
    time.sleep(0.5)
    player.send_signal(number)
    output, errors = player.communicate(timeout=30)
    assert player.returncode == 0, errors
    assert "played " in output and "in a loop" in output
    assert "Traceback" not in errors


def test_ros_arguments_that_do_not_exist_are_one_line(domain: dict[str, str], repository: Path) -> None:
    demo = repository / "depth_anything_ros" / "demo"
    output, errors = start(domain, "play", demo, "--ros-args", "--no-such").communicate(timeout=30)
    assert output == ""
    assert errors.count("\n") == 1 and "--no-such" in errors
