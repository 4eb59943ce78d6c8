"""The life of the process: init, spinning with timers, and shutdown by signal or call."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from types import ModuleType

import pytest

pytest.importorskip("cyclonedds", reason="the embedded runtime needs cyclonedds")

from depth_anything_ros import embedded
from depth_anything_ros.errors import ConfigError
from tests.embedded.peers import peer


def test_init_and_shutdown(domain: int) -> None:
    assert not embedded.ok()
    embedded.try_shutdown()
    with pytest.raises(embedded.NotInitializedException):
        embedded.Node("early")
    for _ in range(3):
        embedded.init(args=[])
        assert embedded.ok()
        with pytest.raises(RuntimeError, match="init\\(\\) was called before"):
            embedded.init(args=[])
        embedded.try_shutdown()
        assert not embedded.ok()


def test_bad_arguments_and_environment_leave_nothing_behind(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ConfigError, match="--nonsense"):
        embedded.init(args=["x", "--ros-args", "--nonsense"])
    monkeypatch.setenv("ROS_DOMAIN_ID", "233")
    with pytest.raises(ConfigError, match="ROS_DOMAIN_ID is '233'; accepted: a whole number from 0 to 232"):
        embedded.init(args=[])
    assert not embedded.ok()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_spinning_and_signals_are_given_back(domain: int, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    embedded.init(args=[])
    node = embedded.Node("node")
    timer = threading.Timer(0.3, os.kill, (os.getpid(), number))
    timer.start()
    began = time.monotonic()
    with pytest.raises(embedded.ExternalShutdownException):
        embedded.spin(node)
    assert 0.2 < time.monotonic() - began < 2.0
    assert not embedded.ok()
    # Asked twice, it does not wait for anybody.
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    node.destroy_node()
    embedded.try_shutdown()
    assert signal.getsignal(number) == before


def test_another_process_ends_with_code_0(domain: int) -> None:
    with peer("idle") as process:
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stdout is not None and process.stdout.read() == "shut down\n"


def test_shutdown_from_a_callback_ends_spinning(ros: ModuleType) -> None:
    node = ros.Node("node")
    node.create_timer(0.01, ros.try_shutdown)
    with pytest.raises(ros.ExternalShutdownException):
        ros.spin(node)


def test_spin_once_waits_no_longer_than_asked(ros: ModuleType) -> None:
    node = ros.Node("node")
    for timeout in (0.0, 0.15):
        began = time.monotonic()
        ros.spin_once(node, timeout_sec=timeout)
        assert timeout <= time.monotonic() - began < timeout + 0.1


def test_timers_keep_their_beat(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node = ros.Node("node")
    fast: list[float] = []
    slow: list[float] = []
    began = time.monotonic()
    node.create_timer(0.02, lambda: fast.append(time.monotonic() - began))
    node.create_timer(0.1, lambda: slow.append(time.monotonic() - began))
    assert spin_until(lambda: len(slow) == 5, node)
    assert 0.5 <= slow[-1] < 0.8
    assert 20 <= len(fast) <= 26
    assert fast[0] >= 0.02


def test_beats_that_were_missed_are_left_out(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node = ros.Node("node")
    beats: list[float] = []
    node.create_timer(0.05, lambda: beats.append(time.monotonic()))
    time.sleep(0.33)
    assert spin_until(lambda: len(beats) == 2, node)
    assert beats[1] - beats[0] > 0.01
    assert not spin_until(lambda: len(beats) > 3, node, timeout_sec=0.04)


def test_timers_stop_begin_again_and_end(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node = ros.Node("node")
    beats: list[int] = []
    timer = node.create_timer(0.02, lambda: beats.append(1))
    timer.cancel()
    assert timer.is_canceled()
    assert not spin_until(lambda: beats, node, timeout_sec=0.1)
    timer.reset()
    assert spin_until(lambda: beats, node)
    assert node.destroy_timer(timer)
    assert not node.destroy_timer(timer)
    beats.clear()
    assert not spin_until(lambda: beats, node, timeout_sec=0.1)
    for bad in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match=r"timer period is .* s; more than 0 is needed"):
            node.create_timer(bad, print)


def test_a_timers_error_comes_out_of_spinning(ros: ModuleType) -> None:
    node = ros.Node("node")

    def fail() -> None:
        raise ZeroDivisionError

    node.create_timer(0.01, fail)
    with pytest.raises(ZeroDivisionError):
        ros.spin(node)


def test_the_clock_counts_from_the_epoch(ros: ModuleType) -> None:
    now = ros.Node("node").get_clock().now()
    assert abs(now.nanoseconds - time.time_ns()) < 10**9
    stamp = now.to_msg()
    assert stamp.sec * 10**9 + stamp.nanosec == now.nanoseconds
    assert ros.Time(seconds=1.5, nanoseconds=3).nanoseconds == 1_500_000_003


def test_a_node_with_nothing_to_do_sleeps(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node = ros.Node("idle")
    spin_until(lambda: False, node, timeout_sec=0.3)

    def used() -> float:
        spent = resource.getrusage(resource.RUSAGE_SELF)
        return spent.ru_utime + spent.ru_stime

    before, began = used(), time.monotonic()
    ros.spin_once(node, timeout_sec=2.0)
    assert (used() - before) / (time.monotonic() - began) < 0.03
