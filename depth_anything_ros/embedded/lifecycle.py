"""A managed node: rclpy's LifecycleNode, with the services and the topic by which others manage it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..errors import ConfigError
from .messages import message, service
from .node import Node
from .qos import QoSProfile
from .state_machine import (
    ERROR_PROCESSING,
    STATES,
    TRANSITIONS,
    LifecycleState,
    StateMachine,
    Transition,
    TransitionCallbackReturn,
)


class LifecycleNode(Node):
    """A node with a life cycle; subclasses say in ``on_…`` what the transitions do.

    A callback gets the LifecycleState that the transition began in. SUCCESS goes on, FAILURE goes back, ERROR (or an
    exception, which is logged) leads to ``on_error``: SUCCESS there means unconfigured, anything else finalized.
    """

    def __init__(self, node_name: str, *, enable_communication_interface: bool = True, **kwargs: Any) -> None:
        super().__init__(node_name, **kwargs)
        self._state_machine = StateMachine()
        self._transition_events: Any = None
        if enable_communication_interface:
            self._serve_lifecycle()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unconfigured to inactive."""
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Inactive to unconfigured."""
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Inactive to active."""
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Active to inactive."""
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Any primary state to finalized."""
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After an error: SUCCESS if the node can be configured again."""
        return TransitionCallbackReturn.SUCCESS

    def trigger_configure(self) -> TransitionCallbackReturn:
        """Do the transition; returns its callback's result. Raises ConfigError if the state does not allow it."""
        return self._change_state("configure")

    def trigger_cleanup(self) -> TransitionCallbackReturn:
        """As ``trigger_configure``."""
        return self._change_state("cleanup")

    def trigger_activate(self) -> TransitionCallbackReturn:
        """As ``trigger_configure``."""
        return self._change_state("activate")

    def trigger_deactivate(self) -> TransitionCallbackReturn:
        """As ``trigger_configure``."""
        return self._change_state("deactivate")

    def trigger_shutdown(self) -> TransitionCallbackReturn:
        """As ``trigger_configure``."""
        return self._change_state("shutdown")

    def _change_state(self, id_or_label: int | str) -> TransitionCallbackReturn:
        transition = self._state_machine.find(id_or_label)
        state_id, label = self._state_machine.current_state
        start = LifecycleState(label, state_id)
        self._take(transition)
        result = self._call(f"on_{transition.label}", start)
        self._take(self._state_machine.outcome(result))
        if self._state_machine.current_state[0] == ERROR_PROCESSING:
            self._take(self._state_machine.outcome(self._call("on_error", start)))
        return result

    def _call(self, name: str, start: LifecycleState) -> TransitionCallbackReturn:
        try:
            result = getattr(self, name)(start)
        except Exception as error:
            self.get_logger().error(f"{name} failed: {type(error).__name__}: {error}")
            return TransitionCallbackReturn.ERROR
        if not isinstance(result, TransitionCallbackReturn):
            self.get_logger().error(f"{name} returned {result!r}; accepted is a TransitionCallbackReturn")
            return TransitionCallbackReturn.ERROR
        return result

    def _take(self, transition: Transition) -> None:
        self._state_machine.take(transition)
        if self._transition_events is None:
            return
        event = message("lifecycle_msgs/msg/TransitionEvent")(
            timestamp=self.get_clock().now().nanoseconds,
            transition=message("lifecycle_msgs/msg/Transition")(id=transition.id, label=transition.label),
            start_state=_state(transition.start),
            goal_state=_state(transition.goal),
        )
        self._transition_events.publish(event)

    def _serve_lifecycle(self) -> None:
        event = message("lifecycle_msgs/msg/TransitionEvent")
        self._transition_events = self.create_publisher(event, "~/transition_event", QoSProfile(depth=10))
        machine = self._state_machine
        answers: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {
            "change_state": ("ChangeState", self._answer_change),
            "get_state": ("GetState", lambda _: {"current_state": _state(machine.current_state[0])}),
            "get_available_states": (
                "GetAvailableStates",
                lambda _: {"available_states": [_state(state_id) for state_id in STATES]},
            ),
            "get_available_transitions": (
                "GetAvailableTransitions",
                lambda _: {"available_transitions": _descriptions(machine.available_transitions)},
            ),
            "get_transition_graph": (
                "GetAvailableTransitions",
                lambda _: {"available_transitions": _descriptions(TRANSITIONS)},
            ),
        }
        for name, (kind, answer) in answers.items():
            self._serve(f"lifecycle_msgs/srv/{kind}", f"~/{name}", answer)

    def _serve(self, kind: str, name: str, answer: Callable[[Any], dict[str, Any]]) -> None:
        _, response = service(kind)
        self._create_service(kind, name, lambda request: response(**answer(request)))

    def _answer_change(self, request: Any) -> dict[str, Any]:
        wanted = request.transition
        try:
            # As in ROS: a label, where there is one, decides over the id.
            result = self._change_state(wanted.label or wanted.id)
        except ConfigError as error:
            self.get_logger().warning(str(error))
            return {"success": False}
        return {"success": result is TransitionCallbackReturn.SUCCESS}


def _state(state_id: int) -> Any:
    return message("lifecycle_msgs/msg/State")(id=state_id, label=STATES[state_id])


def _descriptions(transitions: Iterable[Transition]) -> list[Any]:
    return [
        message("lifecycle_msgs/msg/TransitionDescription")(
            transition=message("lifecycle_msgs/msg/Transition")(id=transition.id, label=transition.label),
            start_state=_state(transition.start),
            goal_state=_state(transition.goal),
        )
        for transition in transitions
    ]
