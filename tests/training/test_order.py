"""Order of samples: complete sweeps, another order each time, computed from numbers alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.order import draw, sweep


@given(seed=st.integers(0, 2**31), length=st.integers(1, 300), epoch=st.integers(0, 10**6))
def test_a_sweep_gives_every_sample_once(seed: int, length: int, epoch: int) -> None:
    order = [sweep(seed, epoch * length + position, length) for position in range(length)]
    assert sorted(order) == list(range(length))


def test_sweeps_differ_and_are_shuffled() -> None:
    first, second = ([sweep(0, epoch * 1000 + i, 1000) for i in range(1000)] for epoch in (0, 1))
    assert first != second and first != list(range(1000))
    # Neighbours in the order are far from each other in the data: a third of the length on average.
    assert np.mean(np.abs(np.diff(first))) == pytest.approx(333, abs=60)


def test_millions_of_samples_cost_no_list() -> None:
    indices = {sweep(3, position, 62_000_000) for position in range(2000)}
    assert len(indices) == 2000 and max(indices) < 62_000_000


def test_an_empty_source_is_refused() -> None:
    with pytest.raises(ValueError, match="length 0"):
        sweep(0, 0, 0)


def test_drawing_follows_the_shares() -> None:
    drawn = [draw(0, step, position, np.array([0.25, 0.75])) for step in range(100) for position in range(20)]
    assert np.mean([number == 1 for number, _ in drawn]) == pytest.approx(0.75, abs=0.04)
    assert all(0 <= share < 1 for _, share in drawn)
    assert draw(0, 1, 2, np.array([0.25, 0.75])) == drawn[22]
