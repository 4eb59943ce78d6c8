"""RVL, the run-length and variable-length code for depth images of A. D. Wilson (2017): decoding only.

The stream is a row of numbers: how many zero pixels follow, how many non-zero ones, then the difference of each of
those to the non-zero pixel before it, and again. A number is written in groups of three bits, the lowest first, each in
a nibble whose top bit says that more follow; a difference d as 2d, or -2d - 1 if negative. Eight nibbles fill a 32-bit
little-endian word from its top.
"""

from __future__ import annotations

import numpy as np

from .errors import ImageError

# Numbers are below 2^32: run lengths of any image that is accepted, and differences of 17 bits.
_MAX_NIBBLES = 11


def decode_rvl(data: bytes, num_pixels: int) -> np.ndarray:
    """The ``num_pixels`` uint16 values of an RVL stream. Raises ImageError if the stream is truncated or corrupt."""
    numbers = _numbers(data)
    plain = numbers.tolist()
    runs: list[int] = []  # zeros, non-zeros, zeros, ...
    headers: list[int] = []
    at = done = 0
    while done < num_pixels:
        if at + 2 > len(plain):
            raise ImageError(f"RVL data is truncated: it ends at pixel {done} of {num_pixels}")
        zeros, count = plain[at], plain[at + 1]
        if done + zeros + count > num_pixels or zeros + count == 0:
            raise ImageError(f"RVL data is corrupt: a run of {zeros} + {count} at pixel {done} of {num_pixels}")
        runs += zeros, count
        headers += at, at + 1
        at += 2 + count
        done += zeros + count
    if at > len(plain):
        raise ImageError(f"RVL data is truncated: {at - len(plain)} of {num_pixels} pixels are missing")
    if any(plain[at:]):
        raise ImageError(f"RVL data is corrupt: it goes on after the last of {num_pixels} pixels")
    coded = np.delete(numbers[:at], headers)
    nonzero = np.cumsum((coded >> 1) ^ -(coded & 1))
    if nonzero.size and (nonzero.min() < 0 or nonzero.max() > 65535):
        raise ImageError("RVL data is corrupt: a value is outside 0 to 65535")
    values = np.zeros(num_pixels, np.uint16)
    values[np.repeat(np.arange(len(runs)) % 2 == 1, runs)] = nonzero
    return values


def _numbers(data: bytes) -> np.ndarray:
    """Every number of the stream, as int64, all at once: a loop over nibbles takes a second an image."""
    words = np.frombuffer(data, "<u4", len(data) // 4)
    shifts = np.arange(28, -1, -4, dtype=np.uint32)
    nibbles = ((words[:, None] >> shifts) & 15).astype(np.uint8).ravel()
    ends = np.flatnonzero(nibbles < 8)
    if not ends.size:
        return np.zeros(0, np.int64)
    nibbles = nibbles[: ends[-1] + 1]
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _MAX_NIBBLES:
        raise ImageError(f"RVL data is corrupt: a number of {lengths.max()} nibbles, {_MAX_NIBBLES} at most are needed")
    place = 3 * (np.arange(nibbles.size) - np.repeat(starts, lengths))
    return np.add.reduceat((nibbles & 7).astype(np.int64) << place, starts)
