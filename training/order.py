"""Which sample comes when, computed from numbers alone: no list of an epoch is held, so that millions of samples cost
nothing and a run goes on anywhere.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 4


def sweep(seed: int, position: int, length: int) -> int:
    """The index at ``position`` of endless sweeps over ``length`` samples, each sweep in an order of its own.

    Within a sweep every index comes once: a Feistel network (Luby and Rackoff 1988) permutes the next larger power of
    four, and what falls outside is permuted again until it falls inside. Libraries shuffle lists; none that we found
    computes one entry of a permutation.
    """
    if length < 1:
        raise ValueError(f"length {length}: at least 1 is accepted")
    epoch, index = divmod(position, length)
    bits = max(1, ((length - 1).bit_length() + 1) // 2)
    mask = (1 << bits) - 1
    while True:
        left, right = index >> bits, index & mask
        for number in range(_ROUNDS):
            left, right = right, left ^ (_hash(seed, epoch, number, right) & mask)
        index = left << bits | right
        if index < length:
            return index


def draw(seed: int, step: int, position: int, shares: NDArray[np.float64]) -> tuple[int, float]:
    """Which of the sources with these ``shares`` (adding up to 1), and where in it, from 0 to below 1."""
    rng = np.random.default_rng([seed, step, position])
    return int(rng.choice(len(shares), p=shares)), float(rng.random())


def _hash(*numbers: int) -> int:
    text = ",".join(map(str, numbers)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
