"""The camera and the consumer of the node benchmark, in one process and so on one clock, and the processes it times."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from frames import NETWORK_HW, make_scene

from depth_anything_ros import ros
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.messages import MessageFactory, stamp_ns_of
from depth_anything_ros.ros import QoSProfile, message

_TIMEOUT_S = 30.0
_LOST_S = 2.0
Size = tuple[int, int]


class Driver:
    """Publishes images below a namespace and notes when the answers come.

    rclpy or the embedded runtime spins in one thread; measuring is done by the caller's. Topics are made in the thread
    that spins, as both worlds want it.
    """

    def __init__(self) -> None:
        ros.init(args=["node_driver"])
        self._node = ros.Node("node_driver")
        self._factory = MessageFactory(message)
        self._todo: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._publishers: dict[str, Any] = {}
        self._subscriptions: list[Any] = []
        self._arrivals: dict[str, tuple[int, int, Any]] = {}
        self._came = threading.Condition()
        self._infos: dict[Size, Any] = {}
        self._images: dict[Size, Any] = {}
        self._node.create_timer(0.02, self._run_todo)
        self._thread = threading.Thread(target=self._spin, name="spin", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the node."""
        ros.try_shutdown()
        self._thread.join(_TIMEOUT_S)

    def open_camera(self, name: str) -> None:
        """Offer ``/<name>/image`` and ``/<name>/camera_info``."""
        qos = QoSProfile(depth=1)

        def make() -> None:
            for topic, kind in (("image", "Image"), ("camera_info", "CameraInfo")):
                full = f"/{name}/{topic}"
                self._publishers[full] = self._node.create_publisher(message(f"sensor_msgs/msg/{kind}"), full, qos)

        self._in_spin(make)

    def subscribe(self, topics: dict[str, str]) -> None:
        """Listen to these topics (name: type) and no others."""

        def change() -> None:
            for subscription in self._subscriptions:
                self._node.destroy_subscription(subscription)
            self._subscriptions = [
                self._node.create_subscription(message(kind), topic, self._noting(topic), QoSProfile(depth=1))
                for topic, kind in topics.items()
            ]

        self._in_spin(change)
        self._arrivals.clear()

    def wait_for_listener(self, name: str, *, wanted: bool = True) -> None:
        """Wait until somebody subscribes to the camera's images, or nobody does."""
        publisher = self._publishers[f"/{name}/image"]
        end_s = time.monotonic() + _TIMEOUT_S
        while (publisher.get_subscription_count() > 0) != wanted:
            if time.monotonic() > end_s:
                raise TimeoutError(f"/{name}/image has {publisher.get_subscription_count()} subscribers")
            time.sleep(0.01)

    def publish(self, name: str, size: Size, *, with_info: bool = True) -> tuple[int, int]:
        """Publish one image and its camera_info; returns the stamp [ns] and the time before that [perf_counter ns]."""
        image, info = self._messages(size)
        stamp_ns = time.time_ns()
        image.header = info.header = self._factory.header(stamp_ns, "camera_optical_frame")
        start_ns = time.perf_counter_ns()
        self._publishers[f"/{name}/image"].publish(image)
        if with_info:
            self._publishers[f"/{name}/camera_info"].publish(info)
        return stamp_ns, start_ns

    def answers_ms(
        self, name: str, size: Size, topics: Sequence[str], *, by_stamp: bool, wait_s: float = _LOST_S
    ) -> list[float | None]:
        """Time from one image to its answer on each topic [ms], None for a lost one. Without ``by_stamp`` any answer
        counts: there is only one image on its way."""
        with self._came:
            for topic in topics:
                self._arrivals.pop(topic, None)
        stamp_ns, start_ns = self.publish(name, size)
        end_s = time.monotonic() + wait_s
        with self._came:
            while not all(self._has(topic, stamp_ns, by_stamp) for topic in topics):
                left_s = end_s - time.monotonic()
                if left_s <= 0.0:
                    break
                self._came.wait(left_s)
            return [
                (self._arrivals[topic][1] - start_ns) / 1e6 if self._has(topic, stamp_ns, by_stamp) else None
                for topic in topics
            ]

    def wait_for(self, topic: str, fits: Callable[[Any], bool] = lambda received: True) -> Any:
        """The newest message of a topic, when one has come that fits."""
        end_s = time.monotonic() + _TIMEOUT_S
        with self._came:
            while topic not in self._arrivals or not fits(self._arrivals[topic][2]):
                if time.monotonic() > end_s:
                    raise TimeoutError(f"nothing that fits came on {topic}")
                self._came.wait(0.1)
            return self._arrivals[topic][2]

    def _has(self, topic: str, stamp_ns: int, by_stamp: bool) -> bool:
        return topic in self._arrivals and (not by_stamp or self._arrivals[topic][0] == stamp_ns)

    def _noting(self, topic: str) -> Callable[[Any], None]:
        def note(received: Any) -> None:
            now_ns = time.perf_counter_ns()
            with self._came:
                self._arrivals[topic] = (stamp_ns_of(received.header), now_ns, received)
                self._came.notify_all()

        return note

    def _messages(self, size: Size) -> tuple[Any, Any]:
        if size not in self._images:
            header = self._factory.header(0, "camera_optical_frame")
            image_HW3 = make_scene(size if size in NETWORK_HW else (640, 480))[0]
            width, height = size
            data = array("B", image_HW3[:height, :width].tobytes())
            fields = {"height": height, "width": width, "encoding": "rgb8", "step": 3 * width, "data": data}
            self._images[size] = message("sensor_msgs/msg/Image")(header=header, **fields)
            self._infos[size] = self._factory.camera_info(header, CameraModel.with_assumed_fov(width, height))
        return self._images[size], self._infos[size]

    def _in_spin(self, work: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            work()
            done.set()

        self._todo.put(run)
        if not done.wait(_TIMEOUT_S):
            raise TimeoutError("the thread that spins does not answer")

    def _run_todo(self) -> None:
        while not self._todo.empty():
            self._todo.get()()

    def _spin(self) -> None:
        try:
            ros.spin(self._node)
        except ros.ExternalShutdownException:
            pass
        except Exception:  # rclpy's wait set does not always like the end of its context
            if ros.ok():
                raise


class Process:
    """A node that runs beside the driver."""

    def __init__(self, *command: str) -> None:
        self.started_s = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, "PYTHONPATH": _python_path()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @classmethod
    def node(cls, name: str, **parameters: str) -> Process:
        """The depth node below a namespace."""
        code = "import sys; from depth_anything_ros.node import main; sys.exit(main())"
        given = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
        return cls("-c", code, "--ros-args", "-r", f"__ns:=/{name}", *given)

    def cpu_s(self) -> float:
        """CPU time of all its threads so far [s]."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _python_path() -> str:
    root = str(Path(__file__).resolve().parent.parent)
    return os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
