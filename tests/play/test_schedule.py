"""When frames are due: as recorded, faster, at a rate of their own, over and over; and what counts as late."""

from __future__ import annotations

import pytest

from depth_anything_ros.play.schedule import LATE_S, Schedule

SECOND_NS = 1_000_000_000


def due(schedule: Schedule, stamps_s: list[float], start_s: float = 100.0) -> list[float]:
    """Seconds after the first at which frames of these stamps are due."""
    times = [schedule.due_s(round(stamp * SECOND_NS), start_s) for stamp in stamps_s]
    return [pytest.approx(time - start_s, abs=1e-6) for time in times]


def test_frames_are_due_as_they_were_recorded() -> None:
    assert due(Schedule(), [5.0, 5.1, 5.4, 5.5]) == [0.0, 0.1, 0.4, 0.5]


def test_rate_is_a_factor_on_the_speed() -> None:
    assert due(Schedule(rate=2.0), [5.0, 5.1, 5.4]) == [0.0, 0.05, 0.2]


def test_fps_takes_the_place_of_stamps() -> None:
    assert due(Schedule(fps=10.0), [5.0, 9.0, 3.0]) == [0.0, 0.1, 0.2]
    assert due(Schedule(fps=10.0, rate=2.0), [1.0, 2.0]) == [0.0, 0.05]


def test_late_frames_do_not_shift_those_that_follow() -> None:
    schedule = Schedule()
    schedule.due_s(0, 10.0)
    schedule.begins(10.0 + LATE_S / 2)
    assert schedule.num_late == 0
    assert schedule.due_s(SECOND_NS, 10.0) == 11.0
    schedule.begins(11.0 + 3 * LATE_S)
    assert (schedule.num_late, schedule.worst_s) == (1, pytest.approx(3 * LATE_S))
    assert schedule.due_s(2 * SECOND_NS, 11.0) == 12.0


def test_after_a_stall_there_is_no_burst() -> None:
    schedule = Schedule()
    schedule.due_s(0, 10.0)
    schedule.begins(20.0)
    assert schedule.due_s(SECOND_NS // 10, 20.0) == pytest.approx(20.1)


@pytest.mark.parametrize(("stamps", "words"), [([5.0, 5.1, 2.0], "jump back"), ([5.0, 5.1, 900.0], "pause for more")])
def test_jumps_of_the_clock_are_not_waited_for(stamps: list[float], words: str) -> None:
    schedule = Schedule()
    assert due(schedule, [*stamps, stamps[-1] + 0.1]) == [0.0, 0.1, 0.2, 0.3]
    (note,) = schedule.notes
    assert words in note


def test_a_loop_begins_again_one_period_after_its_end() -> None:
    schedule = Schedule()
    assert due(schedule, [5.0, 5.1]) == [0.0, 0.1]
    schedule.begin_again()
    assert due(schedule, [5.0, 5.1]) == [0.2, 0.3]
    assert schedule.notes == []


def test_a_single_picture_in_a_loop_comes_once_a_second() -> None:
    schedule = Schedule()
    due(schedule, [1.0])
    schedule.begin_again()
    assert due(schedule, [1.0]) == [1.0]
