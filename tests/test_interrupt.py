"""Ctrl-C: the first is a request, the second stops, and the old handlers come back."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from depth_anything_ros.interrupt import Interruption


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_a_request(number: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(number)
    with Interruption() as interruption:
        assert not interruption.is_requested
        os.kill(os.getpid(), number)
        assert interruption.is_requested
        assert interruption.exit_code == code
    assert signal.getsignal(number) is before
    assert "finishing what was begun" in capsys.readouterr().err


def test_the_second_signal_stops() -> None:
    with Interruption():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_in_another_thread_nothing_is_changed() -> None:
    handlers = []

    def enter() -> None:
        with Interruption() as interruption:
            handlers.append((signal.getsignal(signal.SIGINT), interruption.is_requested))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [(before, False)]
