"""Which part of a recording is trained on, chosen by, and never seen: by time, as neighbours are almost one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from depth_anything_ros.errors import SourceError

TEST_SHARE = 0.25
VALIDATION_SHARE = 0.2
"""Of what is not test."""
GAP_SHARE = 0.02
"""Between two parts this share of the recording's frames is left out."""
MIN_FRAMES = 20


@dataclass(frozen=True)
class TimeSplit:
    """Stamps [ns]: training before ``train_end_ns``, validation from ``validation_ns`` to before ``validation_end_ns``,
    test from ``test_ns`` on.
    """

    train_end_ns: int
    validation_ns: int
    validation_end_ns: int
    test_ns: int

    def part(self, stamps_ns: Sequence[int], name: str) -> tuple[int, int]:
        """First and last position (included) of ``train``, ``validation`` or ``test`` among sorted stamps; the last one
        is before the first where the part is empty.
        """
        low, high = {
            "train": (-(1 << 63), self.train_end_ns),
            "validation": (self.validation_ns, self.validation_end_ns),
            "test": (self.test_ns, 1 << 63),
        }[name]
        inside = [place for place, stamp in enumerate(stamps_ns) if low <= stamp < high]
        return (inside[0], inside[-1]) if inside else (0, -1)


def split_by_time(stamps_ns: Sequence[int], name: str) -> TimeSplit:
    """Split the frames of one recording with these sorted stamps; ``name`` is named in errors.

    The last quarter is test; of the rest the last fifth is validation; before each of the two a gap is left out.
    Raises SourceError for fewer than 20 frames.
    """
    count = len(stamps_ns)
    if count < MIN_FRAMES:
        raise SourceError(
            f"{name}: {count} frames that can be used; at least {MIN_FRAMES} are needed to hold some back"
        )
    gap = max(1, round(GAP_SHARE * count))
    test = count - round(TEST_SHARE * count)
    validation = round((1 - VALIDATION_SHARE) * test)
    return TimeSplit(stamps_ns[validation - gap], stamps_ns[validation], stamps_ns[test - gap], stamps_ns[test])
