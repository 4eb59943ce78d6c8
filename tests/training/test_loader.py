"""Batches ahead of the training: in order, the same whoever makes them, errors in their place, nothing left behind."""

from __future__ import annotations

import dataclasses
import multiprocessing
import threading
import time
from typing import Any, NamedTuple

import pytest
import torch

from depth_anything_ros.errors import MissingDependency, SourceError
from training.loader import load_batches, map_tensors, to_device

PARTS = [range(0, 2), range(2, 5)]


@dataclasses.dataclass(frozen=True)
class Numbers:
    values: torch.Tensor
    name: str


class Counting:
    """Batches that say what they were asked for; those of step 7 cannot be read, step 8 is a mistake of ours, step
    9 needs a library."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def batch(self, step: int, positions: range) -> Numbers:
        self.asked.append((step, positions.start))
        if step == 7:
            raise SourceError(f"image {positions.start}: cannot be read")
        if step == 8:
            raise ZeroDivisionError
        if step == 9:
            raise MissingDependency("h5py", "train")
        return Numbers(torch.tensor([[step, position] for position in positions]), f"step {step}")


@pytest.mark.parametrize("workers", [0, 2])
def test_every_part_of_every_step_comes_once_and_in_order(workers: int) -> None:
    made = list(load_batches(Counting(), start=3, stop=6, parts=PARTS, workers=workers))
    assert [batch.values.tolist() for batch in made] == [
        [[step, position] for position in part] for step in (3, 4, 5) for part in PARTS
    ]
    assert made[2].name == "step 4"


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_a_source_is_one_line_and_comes_where_its_batch_would(workers: int) -> None:
    loaded = load_batches(Counting(), start=6, stop=8, parts=PARTS, workers=workers)
    assert [len(next(loaded).values), len(next(loaded).values)] == [2, 3]
    with pytest.raises(SourceError, match=r"^image 0: cannot be read$"):
        next(loaded)


def test_an_error_of_two_arguments_comes_out_of_a_worker_whole() -> None:
    with pytest.raises(MissingDependency, match=r"^h5py is not installed.*\[train\]") as error:
        next(load_batches(Counting(), start=9, stop=10, parts=PARTS, workers=1))
    assert error.value.name == "h5py"


def test_another_error_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        next(load_batches(Counting(), start=8, stop=9, parts=PARTS))


def test_the_next_batches_are_made_while_one_is_used() -> None:
    source = Counting()
    loaded = load_batches(source, start=0, stop=100, parts=[range(2)])
    next(loaded)
    deadline = time.monotonic() + 10
    while len(source.asked) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert source.asked[:2] == [(0, 0), (1, 0)]
    time.sleep(0.05)
    # Ahead, but not without end.
    assert len(source.asked) <= 3
    loaded.close()


@pytest.mark.parametrize("workers", [0, 1])
def test_closing_ends_threads_and_processes(workers: int) -> None:
    threads, children = threading.active_count(), len(multiprocessing.active_children())
    loaded = load_batches(Counting(), start=0, stop=6, parts=PARTS, workers=workers)
    next(loaded)
    loaded.close()
    # The library's own threads end by themselves, a moment later.
    deadline = time.monotonic() + 10
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (threading.active_count(), len(multiprocessing.active_children())) == (threads, children)


def test_nothing_comes_of_no_steps() -> None:
    assert list(load_batches(Counting(), start=5, stop=5, parts=PARTS, workers=2)) == []


class Pair(NamedTuple):
    first: torch.Tensor
    second: str


def test_tensors_are_changed_wherever_they_are() -> None:
    one = torch.ones(2)
    batch: dict[str, Any] = {"a": Numbers(one, "n"), "b": [one, (one, 3)], "c": Pair(one, "p")}
    changed = map_tensors(batch, lambda tensor: tensor + 1)
    assert changed["a"].values.tolist() == [2, 2] and changed["a"].name == "n"
    assert changed["b"][0].tolist() == [2, 2] and changed["b"][1][0].tolist() == [2, 2] and changed["b"][1][1] == 3
    assert isinstance(changed["c"], Pair) and changed["c"].first.tolist() == [2, 2] and changed["c"].second == "p"
    assert one.tolist() == [1, 1]
    assert to_device(batch, torch.device("meta"))["a"].values.device.type == "meta"


@pytest.mark.gpu
def test_pinned_batches_reach_the_gpu() -> None:
    batch = next(load_batches(Counting(), start=0, stop=1, parts=PARTS, pin=True))
    assert batch.values.is_pinned()
    assert to_device(batch, torch.device("cuda")).values.tolist() == [[0, 0], [0, 1]]
