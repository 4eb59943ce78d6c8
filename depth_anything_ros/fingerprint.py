"""Perceptual fingerprints: was the network trained on this very frame?

A spec lists the real frames its network has seen as ``dhash:<16 hex digits>``, a 64-bit difference hash of the RGB
image. It survives another size and JPEG compression, so the frame is found again whatever recording it comes from.

Limits. Neighbouring frames of a slow video can have the same hash, and so can any two images of almost no contrast: a
frame may be named as trained on when only its neighbour was. That is the careful side to err on. A crop, a mirrored or
a rotated copy is not recognised.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_HAMMING_BITS = 2
"""Hashes that differ in at most this many of 64 bits are taken for the same frame."""

_PREFIX = "dhash:"
_PATTERN = re.compile(r"dhash:[0-9a-f]{16}")


def image_dhash(image_HW3: NDArray[np.uint8]) -> str:
    """Difference hash of an RGB image (H, W, 3) uint8, as ``dhash:<16 hex digits>``.

    The image is converted to grey and shrunk to 9x8 pixels by area; each of the 64 bits, row by row and most
    significant first, says whether a pixel is darker than its right neighbour.
    """
    grey_HW = cv2.cvtColor(np.ascontiguousarray(image_HW3), cv2.COLOR_RGB2GRAY)
    small_89 = cv2.resize(grey_HW, (9, 8), interpolation=cv2.INTER_AREA)
    bits_88 = small_89[:, 1:] > small_89[:, :-1]
    return _PREFIX + np.packbits(bits_88).tobytes().hex()


def hamming_bits(a: str, b: str) -> int:
    """Number of bits in which two ``dhash:`` strings differ; ValueError if either is not one."""
    for text in (a, b):
        if _PATTERN.fullmatch(text) is None:
            raise ValueError(f"{text!r} is not a frame hash; accepted: dhash:<16 lower-case hex digits>")
    return bin(int(a[len(_PREFIX) :], 16) ^ int(b[len(_PREFIX) :], 16)).count("1")


class TrainedFrames:
    """The frames a network was trained on, as its spec lists them; entries that are no hashes are kept, not matched."""

    def __init__(self, entries: Iterable[str]) -> None:
        self.entries = tuple(entries)
        hashes = [int(entry[len(_PREFIX) :], 16) for entry in self.entries if _PATTERN.fullmatch(entry)]
        self._hashes_N = np.asarray(hashes, dtype=np.uint64)

    def __len__(self) -> int:
        """Number of frames that can be matched."""
        return int(self._hashes_N.size)

    def contains(self, image_HW3: NDArray[np.uint8], *, max_bits: int = MAX_HAMMING_BITS) -> bool:
        """Whether an RGB image (H, W, 3) uint8 is within ``max_bits`` of a frame that was trained on."""
        if self._hashes_N.size == 0:
            return False
        own = np.uint64(int(image_dhash(image_HW3)[len(_PREFIX) :], 16))
        differing_N8 = np.bitwise_xor(self._hashes_N, own)[:, None].view(np.uint8)
        return bool((np.unpackbits(differing_N8, axis=1).sum(axis=1) <= max_bits).any())
