"""The life cycle of a managed node: rcl's states, and what callbacks and peers make of them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("cyclonedds", reason="the embedded runtime needs cyclonedds")

from depth_anything_ros.embedded.state_machine import STATES, TRANSITIONS, StateMachine, TransitionCallbackReturn
from depth_anything_ros.errors import ConfigError

SUCCESS, FAILURE, ERROR = TransitionCallbackReturn
PATHS = {
    "unconfigured": (),
    "inactive": ("configure",),
    "active": ("configure", "activate"),
    "finalized": ("shutdown",),
}
# State, transition, then the state after SUCCESS and after FAILURE.
ALLOWED = [
    ("unconfigured", "configure", "inactive", "unconfigured"),
    ("unconfigured", "shutdown", "finalized", "finalized"),
    ("inactive", "activate", "active", "inactive"),
    ("inactive", "cleanup", "unconfigured", "inactive"),
    ("inactive", "shutdown", "finalized", "finalized"),
    ("active", "deactivate", "inactive", "active"),
    ("active", "shutdown", "finalized", "finalized"),
]
LABELS = ("configure", "cleanup", "activate", "deactivate", "shutdown")


@pytest.fixture
def node_class(ros: ModuleType) -> Any:
    """A managed node whose callbacks do as ``plan`` says and keep a ``log`` of calls with the state they began in."""

    class Planned(ros.LifecycleNode):
        def __init__(self, name: str = "managed", **kwargs: Any) -> None:
            self.plan: dict[str, Any] = {}
            self.log: list[tuple[str, str, int, str]] = []
            super().__init__(name, **kwargs)

        def _do(self, name: str, state: Any) -> Any:
            self.log.append((name, state.label, state.state_id, self._state_machine.current_state[1]))
            result = self.plan.get(name, SUCCESS)
            if isinstance(result, Exception):
                raise result
            return result

        def at(self, state: str) -> Any:
            for step in PATHS[state]:
                getattr(self, f"trigger_{step}")()
            self.log.clear()
            return self

        @property
        def state(self) -> str:
            return str(self._state_machine.current_state[1])

    for label in (*LABELS, "error"):
        setattr(Planned, f"on_{label}", lambda self, state, label=label: self._do(label, state))
    return Planned


def test_the_graph_is_closed() -> None:
    assert {end for transition in TRANSITIONS for end in (transition.start, transition.goal)} | {0} == set(STATES)
    assert len({transition.id for transition in TRANSITIONS}) == len(TRANSITIONS) == 25


def test_what_is_not_possible_is_said_with_what_is() -> None:
    with pytest.raises(ConfigError, match=r"'activate'.*unconfigured; accepted: configure \(1\), shutdown \(5\)"):
        StateMachine().find("activate")


@pytest.mark.parametrize(("start", "label", "success", "failure"), ALLOWED)
def test_every_transition_ends_where_rcl_ends_it(
    node_class: Any, start: str, label: str, success: str, failure: str
) -> None:
    boom = RuntimeError("boom")
    for result, after_error, end in (
        (SUCCESS, SUCCESS, success),
        (FAILURE, SUCCESS, failure),
        (ERROR, SUCCESS, "unconfigured"),
        (ERROR, FAILURE, "finalized"),
        (ERROR, ERROR, "finalized"),
        (boom, SUCCESS, "unconfigured"),
        (boom, boom, "finalized"),
        (None, SUCCESS, "unconfigured"),
    ):
        node = node_class(enable_communication_interface=False).at(start)
        node.plan = {label: result, "error": after_error}
        expected = result if isinstance(result, TransitionCallbackReturn) else ERROR
        assert getattr(node, f"trigger_{label}")() is expected
        assert node.state == end
        start_id = next(key for key, name in STATES.items() if name == start)
        called = [(name, state, state_id) for name, state, state_id, _ in node.log]
        assert called == [(name, start, start_id) for name in ([label, "error"] if expected is ERROR else [label])]
        node.destroy_node()


def test_no_other_transition_is_possible(node_class: Any) -> None:
    allowed = {(start, label) for start, label, *_ in ALLOWED}
    for start in PATHS:
        node = node_class(enable_communication_interface=False).at(start)
        for label in LABELS:
            if (start, label) not in allowed:
                with pytest.raises(ConfigError, match=f"{label}.*{start}"):
                    getattr(node, f"trigger_{label}")()
        assert (node.state, node.log) == (start, [])
        node.destroy_node()


def test_an_exception_is_logged_with_its_text(node_class: Any, capfd: pytest.CaptureFixture[str]) -> None:
    node = node_class()
    node.plan = {"configure": RuntimeError("no engine"), "error": None}
    node.trigger_configure()
    said = capfd.readouterr().err
    assert "on_configure failed: RuntimeError: no engine" in said
    assert "on_error returned None" in said
    node.destroy_node()


def test_by_default_every_transition_succeeds(ros: ModuleType) -> None:
    node = ros.LifecycleNode("plain")
    for label in ("configure", "activate", "deactivate", "cleanup", "shutdown"):
        assert getattr(node, f"trigger_{label}")() is ros.TransitionCallbackReturn.SUCCESS
    assert node._state_machine.current_state == (4, "finalized")
    node.destroy_node()


def test_a_node_may_keep_its_life_cycle_to_itself(ros: ModuleType) -> None:
    node, public = ros.LifecycleNode("own", enable_communication_interface=False), ros.LifecycleNode("public")
    events = dict(node.get_topic_names_and_types())
    assert "/public/transition_event" in events and "/own/transition_event" not in events
    node.destroy_node()
    public.destroy_node()


def test_peers_ask_for_transitions(node_class: Any) -> None:
    node, answers = serving(node_class)

    def change(**fields: Any) -> bool:
        return bool(answers["change_state"](transition=fields).success)

    assert change(id=1) and node.state == "inactive"
    assert change(id=99, label="cleanup") and node.state == "unconfigured"
    assert not change(id=1, label="nonsense") and not change(id=3) and not change(id=77) and not change(id=10)
    assert node.state == "unconfigured"
    node.plan = {"configure": FAILURE}
    assert not change(label="configure") and node.state == "unconfigured"
    node.plan = {"configure": RuntimeError("boom"), "error": FAILURE}
    assert not change(id=1) and node.state == "finalized"
    node.destroy_node()


def test_peers_see_states_and_transitions(node_class: Any) -> None:
    node, answers = serving(node_class)
    state = answers["get_state"]().current_state
    assert (state.id, state.label) == (1, "unconfigured")
    assert [(item.id, item.label) for item in answers["get_available_states"]().available_states] == list(
        STATES.items()
    )
    assert described(answers["get_available_transitions"]()) == [
        (1, "configure", 1, "unconfigured", 10, "configuring"),
        (5, "shutdown", 1, "unconfigured", 12, "shuttingdown"),
    ]
    node.at("active")
    assert [item[1] for item in described(answers["get_available_transitions"]())] == ["deactivate", "shutdown"]
    assert len(described(answers["get_transition_graph"]())) == len(TRANSITIONS)
    node.destroy_node()


def test_every_step_is_an_event(ros: ModuleType, node_class: Any, spin_until: Any) -> None:
    node, listener, heard = node_class(namespace="/front"), ros.Node("listener"), []
    listener.create_subscription(
        ros.message("lifecycle_msgs/msg/TransitionEvent"),
        "/front/managed/transition_event",
        lambda event: heard.append((event.transition.label, event.start_state.label, event.goal_state.label)),
        ros.QoSProfile(depth=10),
    )
    assert spin_until(lambda: node._transition_events.get_subscription_count() == 1, listener)
    node.plan = {"activate": ERROR}
    node.trigger_configure()
    node.trigger_activate()
    assert spin_until(lambda: len(heard) == 5, listener)
    assert heard == [
        ("configure", "unconfigured", "configuring"),
        ("transition_success", "configuring", "inactive"),
        ("activate", "inactive", "activating"),
        ("transition_error", "activating", "errorprocessing"),
        ("transition_success", "errorprocessing", "unconfigured"),
    ]
    node.destroy_node()
    listener.destroy_node()


def serving(node_class: Any) -> tuple[Any, dict[str, Any]]:
    """A node, and its answers to peers by service name: each takes the request's fields, all through CDR."""
    from depth_anything_ros.embedded.messages import deserialize, message, serialize

    answers: dict[str, Any] = {}

    class Serving(node_class):
        def _create_service(self, srv_type: str, name: str, callback: Any, depth: int = 10) -> Any:
            def answer(transition: dict[str, Any] | None = None) -> Any:
                request = message(f"{srv_type}_Request")()
                for field, value in (transition or {}).items():
                    setattr(request.transition, field, value)
                response = callback(deserialize(serialize(request), f"{srv_type}_Request"))
                return deserialize(serialize(response), f"{srv_type}_Response")

            answers[name.removeprefix("~/")] = answer
            return super()._create_service(srv_type, name, callback, depth)

    return Serving(), answers


def described(response: Any) -> list[tuple[int, str, int, str, int, str]]:
    return [
        (
            *(item.transition.id, item.transition.label),
            *(item.start_state.id, item.start_state.label),
            *(item.goal_state.id, item.goal_state.label),
        )
        for item in response.available_transitions
    ]


@pytest.mark.ros
def test_rcl_has_the_same_states_and_transitions() -> None:
    import rclpy
    from rclpy.lifecycle import LifecycleNode
    from rclpy.lifecycle import TransitionCallbackReturn as RclpyReturn

    assert {item.name: item.value for item in TransitionCallbackReturn} == {
        name: int(value) for name, value in RclpyReturn.__members__.items()
    }
    rclpy.init(args=[])
    try:
        node = LifecycleNode("managed", enable_communication_interface=False)
        theirs = node._state_machine
        assert theirs.available_states == list(STATES.items())
        assert theirs.transition_graph == [in_rcl_s_form(transition) for transition in TRANSITIONS]
        for path in PATHS.values():
            node, ours = LifecycleNode("managed", enable_communication_interface=False), StateMachine()
            for label in path:
                getattr(node, f"trigger_{label}")()
                ours.take(ours.find(label))
                ours.take(ours.outcome(SUCCESS))
            assert node._state_machine.current_state == ours.current_state
            found = [in_rcl_s_form(transition) for transition in ours.available_transitions]
            assert node._state_machine.available_transitions == found
    finally:
        rclpy.try_shutdown()


@pytest.mark.ros
@pytest.mark.parametrize("result", list(TransitionCallbackReturn))
@pytest.mark.parametrize("after_error", list(TransitionCallbackReturn))
def test_rclpy_goes_the_same_ways(result: TransitionCallbackReturn, after_error: TransitionCallbackReturn) -> None:
    import rclpy
    from rclpy.lifecycle import LifecycleNode
    from rclpy.lifecycle import TransitionCallbackReturn as RclpyReturn

    rclpy.init(args=[])
    try:
        for start, label, *_ in ALLOWED:
            node, ours = LifecycleNode("managed", enable_communication_interface=False), StateMachine()
            for step in PATHS[start]:
                getattr(node, f"trigger_{step}")()
                ours.take(ours.find(step))
                ours.take(ours.outcome(SUCCESS))
            theirs = {
                name: getattr(RclpyReturn, value.name) for name, value in ((label, result), ("error", after_error))
            }
            for name, value in theirs.items():
                callbacks = node._callbacks
                state_id = 15 if name == "error" else ours.find(label).goal
                callbacks[state_id] = lambda state, value=value: value
            getattr(node, f"trigger_{label}")()
            ours.take(ours.find(label))
            ours.take(ours.outcome(result))
            if ours.current_state[0] == 15:
                ours.take(ours.outcome(after_error))
            assert node._state_machine.current_state == ours.current_state, (start, label)
    finally:
        rclpy.try_shutdown()


def in_rcl_s_form(transition: Any) -> tuple[int, str, int, str, int, str]:
    start, goal = transition.start, transition.goal
    return transition.id, transition.label, start, STATES[start], goal, STATES[goal]
