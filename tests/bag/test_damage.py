"""Whatever is in a file, reading it gives frames and notes or one error; and it takes little memory."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.bag.reader import BagReader
from depth_anything_ros.bag.source import BagSource
from depth_anything_ros.errors import CameraError, SourceError
from tests.sample_bags import (
    START_NS,
    Recorded,
    camera_recording,
    image_message,
    large_recording,
    picture,
    ros1_recording,
    storage_file,
    write_bag,
    write_ros1_bag,
)


def test_the_notes_do_not_grow_without_end(tmp_path: Path) -> None:
    with BagReader(write_bag(tmp_path / "bag", camera_recording(1))) as reader:
        for number in range(1000):
            reader.report(f"problem {number}")
            reader.report("the same problem")
    assert len(reader.notes) == 41
    assert reader.notes[-1] == "and 961 more of this kind"


def mutations(data: bytes, count: int, seed: int) -> list[bytes]:
    """The data with a few bytes flipped, a part zeroed, or the end cut off."""
    rng = random.Random(seed)
    mutated = []
    for number in range(count):
        changed = bytearray(data)
        # Structure is at the beginning and at the end; the middle is mostly pixels.
        places = [rng.randrange(len(data)), rng.randrange(min(len(data), 600)), len(data) - 1 - rng.randrange(600)]
        place = rng.choice(places)
        if number % 4 == 0:
            changed = changed[:place]
        elif number % 4 == 1:
            changed[place : place + 16] = bytes(min(16, len(changed) - place))
        else:
            for _ in range(rng.randrange(1, 6)):
                changed[min(max(place + rng.randrange(-20, 20), 0), len(changed) - 1)] = rng.randrange(256)
        mutated.append(bytes(changed))
    return mutated


@pytest.mark.parametrize(
    ("kind", "compression"),
    [("mcap", ""), ("mcap", "storage"), ("sqlite3", ""), ("ros1", ""), ("ros1", "lz4")],
)
def test_damaged_bytes_never_crash(tmp_path: Path, kind: str, compression: str) -> None:
    if kind == "ros1":
        file = write_ros1_bag(tmp_path / "a.bag", ros1_recording(3), compression)
    else:
        recorded = camera_recording(3, width=16, height=12)
        file = storage_file(write_bag(tmp_path / "bag", recorded, kind, compression=compression))
    outcomes = {"frames": 0, "refused": 0}
    texts: list[str] = []
    for number, data in enumerate(mutations(file.read_bytes(), 120, seed=len(kind + compression))):
        damaged = tmp_path / f"damaged{file.suffix}"
        damaged.write_bytes(data)
        try:
            with BagSource(damaged) as source:
                for frame in source:
                    assert frame.index >= 0, number
            texts += source.notes
            outcomes["frames"] += 1
        except (SourceError, CameraError) as error:
            texts.append(str(error))
            outcomes["refused"] += 1
    assert not [text for text in texts if "\n" in text]
    assert outcomes["frames"] > 20, outcomes


def test_a_damaged_metadata_never_crashes(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(2, width=16, height=12))
    text = (bag / "metadata.yaml").read_bytes()
    refusals = []
    for data in mutations(text, 60, seed=3):
        (bag / "metadata.yaml").write_bytes(data)
        try:
            with BagSource(bag) as source:
                assert len(list(source)) == 2
        except SourceError as error:
            refusals.append(str(error))
    assert len(refusals) < 10, "the storage file was whole all the time"
    assert not [refusal for refusal in refusals if "\n" in refusal]


def test_memory_stays_flat_while_reading(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", large_recording(40))
    with BagSource(bag) as source:
        frames = iter(source)
        next(frames)
        tracemalloc.start()
        for _ in frames:
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 12_000_000, "40 images of 0.9 MB were read"


def test_images_of_a_frame_rate_that_nobody_pairs_do_not_pile_up(tmp_path: Path) -> None:
    recorded = []
    for index in range(200):
        stamp = START_NS + index * 1_000_000
        recorded.append(Recorded("/camera/image_raw", image_message(picture(index, 320, 240), "rgb8", stamp), stamp))
    late = image_message(np.ones((240, 320), np.uint16), "16UC1", START_NS)
    recorded.append(Recorded("/aligned/image", late, START_NS + 10**12))
    with BagSource(write_bag(tmp_path / "bag", recorded)) as source:
        tracemalloc.start()
        assert len([frame.index for frame in source]) == 200
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 16 * 1_000_000, "200 images of 0.23 MB were read"
