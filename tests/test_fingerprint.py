"""Frame hashes: a hand-computed value, invariance to size and JPEG, and matching."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_anything_ros.fingerprint import TrainedFrames, hamming_bits, image_dhash


def textured_image(seed: int, height: int = 240, width: int = 320) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def test_hand_computed_hash() -> None:
    # 9x8 pixels already: one step up between columns 2 and 3 of the first row only, a ramp up in the last row.
    grey = np.zeros((8, 9), dtype=np.uint8)
    grey[0, 3:] = 50
    grey[7] = np.arange(9) * 10
    image = np.repeat(grey[:, :, None], 3, axis=2)
    assert image_dhash(image) == "dhash:20000000000000ff"


def test_hash_is_the_same_after_resizing_and_jpeg() -> None:
    for seed in range(8):
        image = textured_image(seed)
        larger = cv2.resize(image, (640, 480), interpolation=cv2.INTER_LINEAR)
        ok, jpeg = cv2.imencode(".jpg", larger, [cv2.IMWRITE_JPEG_QUALITY, 70])
        assert ok
        assert hamming_bits(image_dhash(image), image_dhash(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))) <= 2


def test_different_images_are_far_apart() -> None:
    hashes = [image_dhash(textured_image(seed)) for seed in range(12)]
    assert min(hamming_bits(a, b) for i, a in enumerate(hashes) for b in hashes[:i]) > 8


def test_trained_frames_match_within_two_bits() -> None:
    image = textured_image(1)
    value = int(image_dhash(image)[6:], 16)
    others = [image_dhash(textured_image(seed)) for seed in (5, 6)]
    for flipped, expected in ((0b0, True), (1 << 63 | 1, True), (0b111, False)):
        assert TrainedFrames([*others, f"dhash:{value ^ flipped:016x}"]).contains(image) is expected


def test_entries_that_are_no_hashes_never_match() -> None:
    frames = TrainedFrames(["hololens/00001", "dhash:xyz"])
    assert len(frames) == 0
    assert len(frames.entries) == 2
    assert not frames.contains(np.zeros((8, 9, 3), np.uint8))


def test_views_and_read_only_images_are_accepted() -> None:
    image = textured_image(3)
    view = image[:, ::-1][:, ::-1]
    view.setflags(write=False)
    assert image_dhash(view) == image_dhash(image)


def test_hamming_refuses_what_is_no_hash() -> None:
    with pytest.raises(ValueError, match="not a frame hash"):
        hamming_bits("dhash:00", "dhash:0000000000000000")
