"""DepthNode: the lifecycle node around the pipeline: parameters, topics, states, one worker thread; no maths."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Any

from . import ros
from .camera_channel import CameraChannel
from .depth_worker import DepthWorker
from .diagnostics import Status, camera_status, engine_status, to_message
from .engine import load_engine
from .errors import ConfigError, DepthAnythingError
from .live_node import live_node
from .messages import MessageFactory
from .node_engine import NodeEngine
from .node_parameters import declare_parameters
from .params import BY_NAME, check_values, refuse_change
from .point_cloud import load_open3d
from .qos import profile
from .ros import LifecycleNode, TransitionCallbackReturn, create_steady_timer, message

NODE_NAME = "depth_anything"
EXIT_USER_ERROR = 2
USAGE = """usage: depth_node [--ros-args [-p NAME:=VALUE] [--params-file FILE] [-r FROM:=TO] ...]

Turns `image` and `camera_info` into `depth/image`, `depth/camera_info` and `points`, in metres. ROS's own arguments:
  -r image:=/camera/image_raw -r camera_info:=/camera/camera_info    where the images come from
  -p max_depth:=8.0                                                  a parameter; config/depth.yaml has them all
  --params-file depth.yaml                                           many parameters
Ctrl-C ends it with exit code 0; a mistake is one line and exit code 2."""
# How soon a new subscriber of an output is noticed.
_POLL_PERIOD_S = 0.1
_AT_ONCE_S = 0.001

_SUCCESS = TransitionCallbackReturn.SUCCESS
_FAILURE = TransitionCallbackReturn.FAILURE
_ERROR = TransitionCallbackReturn.ERROR


class DepthNode(LifecycleNode):
    """Metric depth of one or several cameras as a managed node.

    Configuring loads and checks the engine, activating opens the topics. Several engine errors in a row end in the
    state unconfigured, with the reason on /diagnostics; configuring again starts afresh. Parameters: ``params.py``.

    Raises ConfigError for an unknown parameter or a value that is not accepted.
    """

    def __init__(self, **options: Any) -> None:
        # First, as a node that ROS refuses is destroyed before it is made.
        self._engine: NodeEngine | None = None
        self._worker: DepthWorker | None = None
        self._channels: list[CameraChannel] = []
        super().__init__(NODE_NAME, automatically_declare_parameters_from_overrides=True, **options)
        self._messages = MessageFactory(message)
        self._state = "unconfigured"
        self._failure = ""
        self._num_failures = 0
        self._said: set[str] = set()
        try:
            self._values = declare_parameters(self)
        except ConfigError:
            self.destroy_node()
            raise
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._diagnostics = self.create_publisher(
            message("diagnostic_msgs/msg/DiagnosticArray"), "/diagnostics", profile("default", 10)
        )
        create_steady_timer(self, self._values["diagnostics_period"], self._publish_diagnostics)
        create_steady_timer(self, _POLL_PERIOD_S, self._poll)
        self._start_timer = create_steady_timer(self, _AT_ONCE_S, self._start) if self._values["autostart"] else None

    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        """Load the engine and check it; a network that must be fetched first is, while the node goes on."""
        self._failure = ""
        try:
            self._values = check_values({name: self._value(name) for name in BY_NAME})
            if self._values["points.voxel_size"]:
                load_open3d()
            self._engine = NodeEngine(self._values, load_engine, self._log_info)
        except DepthAnythingError as error:
            return self._refuse("configure", " ".join(str(error).split()), _FAILURE)
        except Exception as error:
            return self._refuse("configure", f"{type(error).__name__}: {error}", _ERROR)
        self._state = "inactive"
        return _SUCCESS

    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        """Open the topics and start the worker."""
        assert self._engine is not None
        if self._engine.failure:  # what configuring began has come to nothing since
            return self._refuse("activate", self._engine.failure, _ERROR)
        self._failure = ""
        try:
            worker = DepthWorker(
                self._engine.pipeline(self._values),
                self._values,
                now_ns=self._now_ns,
                log_error=self._log_error,
                is_alive=ros.ok,
            )
            self._channels = [
                CameraChannel(self, name, self._values, worker.wake) for name in self._values["cameras"] or ("",)
            ]
            for channel in self._channels:
                channel.open()
            worker.start(self._channels)
        except Exception as error:
            self._stop()
            return self._refuse("activate", f"{type(error).__name__}: {error}", _ERROR)
        self._worker = worker
        self._state = "active"
        for channel in self._channels:
            self.get_logger().info(f"ready: {channel.image_topic} with {channel.camera_info_topic}")
        return _SUCCESS

    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        """Close the topics. An engine that has failed ends in the error state instead."""
        failure = ""
        if self._worker is not None:
            failure, self._num_failures = self._worker.failure, self._worker.num_failures
        self._stop()
        if failure:
            return self._refuse("go on", failure, _ERROR)
        self._state = "inactive"
        return _SUCCESS

    def on_cleanup(self, state: Any) -> TransitionCallbackReturn:
        """Close the engine."""
        self.release()
        self._state = "unconfigured"
        return _SUCCESS

    def on_shutdown(self, state: Any) -> TransitionCallbackReturn:
        """Close everything, from any state."""
        self.release()
        self._state = "finalized"
        return _SUCCESS

    def on_error(self, state: Any) -> TransitionCallbackReturn:
        """Close everything, so that the node can be configured again."""
        self.release()
        self._state = "unconfigured"
        return _SUCCESS

    def destroy_node(self) -> None:
        """End the node with all it has."""
        self.release()
        super().destroy_node()

    def release(self) -> None:
        """Stop the worker and close topics and engine; what is closed already stays so."""
        self._stop()
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _start(self) -> None:
        """Configure and activate, once."""
        assert self._start_timer is not None
        self.destroy_timer(self._start_timer)
        if self.trigger_configure() == _SUCCESS:
            self.trigger_activate()

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
        for channel in self._channels:
            channel.close()
        self._channels = []

    def _refuse(self, what: str, reason: str, result: TransitionCallbackReturn) -> TransitionCallbackReturn:
        """Say why a transition is refused, here and on /diagnostics."""
        self._failure = reason
        self.get_logger().error(f"cannot {what}: {reason}")
        if result == _ERROR and sys.exc_info()[0] is not None:
            self.get_logger().error(traceback.format_exc())
        if self._engine is not None and what == "configure":
            self._engine.close()
            self._engine = None
        return result

    def _poll(self) -> None:
        for channel in self._channels:
            channel.update()
        if self._engine is not None:
            self._poll_engine(self._engine)
        if self._worker is not None and self._worker.failure:
            self.trigger_deactivate()

    def _poll_engine(self, engine: NodeEngine) -> None:
        was_opened = engine.poll()
        if self._worker is None:
            if engine.failure and not self._failure:
                self._failure = engine.failure
                self._log_error(f"cannot go on: {engine.failure}")
            return
        if was_opened:
            self._worker.pipeline = engine.first_pipeline(self._values)
            self._worker.wake()
        self._worker.failure = self._worker.failure or engine.failure

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _on_set_parameters(self, parameters: Sequence[ros.Parameter]) -> Any:
        result = message("rcl_interfaces/msg/SetParametersResult")
        changed = {parameter.name: parameter.value for parameter in parameters if parameter.name in BY_NAME}
        try:
            for name in changed:
                if reason := refuse_change(name, is_unconfigured=self._engine is None):
                    raise ConfigError(reason)
            self._apply(check_values({**self._values, **changed}))
        except DepthAnythingError as error:
            return result(successful=False, reason=" ".join(str(error).split()))
        return result(successful=True, reason="")

    def _apply(self, values: dict[str, Any]) -> None:
        """Take new values over as a whole; the worker and the cameras see them with the next frame."""
        if values["points.voxel_size"]:
            load_open3d()
        pipeline = self._engine.pipeline(values) if self._engine is not None else None
        if self._worker is not None:
            current = self._worker.pipeline
            if pipeline is not None and (current is None or current.options != pipeline.options):
                self._worker.pipeline = pipeline
            self._worker.values = values
        rectified_changed = values["rectified"] != self._values["rectified"]
        self._values = values
        for channel in self._channels:
            channel.values = values
            if rectified_changed:
                channel.reread_camera_info()

    def _publish_diagnostics(self) -> None:
        prefix = self.get_fully_qualified_name().lstrip("/")
        if self._worker is not None:
            self._num_failures = self._worker.num_failures
        held, calibration = self._engine, self._engine.calibration if self._engine is not None else None
        engine = engine_status(
            prefix,
            held.engine if held is not None else None,
            state=self._state,
            failure=self._failure,
            num_failures=self._num_failures,
            error=self._worker.last_error if self._worker is not None else "",
            progress=held.progress if held is not None else "",
            scale=calibration.describe() if calibration is not None else "",
            notes=self._pipeline_notes(),
        )
        statuses: list[Status] = [engine]
        for channel in self._channels:
            facts = channel.facts()
            statuses.append(camera_status(prefix, facts))
            for text in facts.unreached:
                if text not in self._said:
                    self._said.add(text)
                    self.get_logger().warning(f"QoS does not match on {text}")
        header = self._messages.header(self._now_ns(), "")
        self._diagnostics.publish(to_message(statuses, header, message))

    def _pipeline_notes(self) -> tuple[str, ...]:
        """What the metres of the worker's pipeline are worth; what is new of it goes to the log too."""
        pipeline = self._worker.pipeline if self._worker is not None else None
        notes = () if pipeline is None else tuple(pipeline.notes)
        for note in notes:
            if note not in self._said:
                self._said.add(note)
                self.get_logger().warning(note)
        return notes

    def _log_info(self, text: str) -> None:
        self.get_logger().info(text)

    def _log_error(self, text: str) -> None:
        self.get_logger().error(text)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the node until it is told to end (SIGINT, SIGTERM: exit code 0). ``argv`` are ROS arguments, without the
    program's name. A mistake in them is one line and exit code 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if {"-h", "--help"} & set(arguments):
        print(USAGE)
        return 0
    try:
        with live_node(DepthNode, arguments) as node:
            ros.spin(node)
    except DepthAnythingError as error:
        print(f"depth_node: error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_USER_ERROR
    return 0
