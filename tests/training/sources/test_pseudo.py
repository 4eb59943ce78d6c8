"""Pseudo-labelled shards as samples."""

from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.errors import SourceError
from training.shard_writer import (
    DISPARITY,
    FORMAT_VERSION,
    IMAGE,
    META,
    ShardWriter,
    encode_disparity,
    encode_image,
    shard_name,
)
from training.sources import open_source
from training.sources.pseudo import open_samples


def write_labels(folder: Path, counts: tuple[int, ...]) -> Path:
    """Shards of flat grey images; the disparity of sample i is a ramp from i to i + 1, unknown in one corner."""
    folder.mkdir(parents=True, exist_ok=True)
    index = 0
    for number, count in enumerate(counts):
        with ShardWriter(folder, number) as writer:
            for _ in range(count):
                disparity = np.tile(np.linspace(index, index + 1, 42, dtype=np.float32), (28, 1))
                disparity[0, 0] = np.nan
                png, scale, offset = encode_disparity(disparity)
                meta = {"source": f"made/{index}", "disparity_scale": scale, "disparity_offset": offset}
                image = np.full((28, 42, 3), (10 * index, 20, 30), np.uint8)
                parts = {IMAGE: encode_image(image), DISPARITY: png, META: json.dumps(meta).encode()}
                writer.add(f"{index:012d}", parts)
                index += 1
            writer.finish({})
    shards = [{"name": shard_name(number), "samples": count} for number, count in enumerate(counts)]
    (folder / "index.json").write_text(json.dumps({"format_version": FORMAT_VERSION, "shards": shards}))
    return folder


def test_samples_across_shards_and_empty_ones(tmp_path: Path) -> None:
    samples = open_samples(write_labels(tmp_path, (2, 0, 3, 1)))
    assert len(samples) == 6
    for number in (5, 0, 3, 2, 4, 1):
        sample = samples[number]
        assert sample.source == f"made/{number}"
        assert (sample.quantity, sample.is_metric, sample.camera_known, sample.sky_known) == (
            "disparity", False, False, False,
        )  # fmt: skip
        expected = np.tile(np.linspace(number, number + 1, 42), (28, 1))
        expected[0, 0] = np.nan
        np.testing.assert_allclose(sample.depth_HW, expected, atol=1e-5)
        assert np.abs(sample.image_HW3.astype(int) - (10 * number, 20, 30)).max() <= 3
        assert (sample.camera.width, sample.camera.height) == (42, 28)
        assert np.array_equal(sample.valid_HW, np.isfinite(expected))
    with pytest.raises(IndexError):
        samples[6]


def test_it_goes_to_other_processes_and_is_read_by_threads(tmp_path: Path) -> None:
    source = open_source("pseudo", str(write_labels(tmp_path, (3, 3))), {}, first=1)
    copied = copy.deepcopy(source)  # by the same means as to another process
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: copied[number].source, [0, 4, 1, 3, 2] * 5))
    assert found == [f"made/{number + 1}" for number in (0, 4, 1, 3, 2)] * 5


def test_an_incomplete_set_is_refused(tmp_path: Path) -> None:
    write_labels(tmp_path, (2,))
    (tmp_path / "index.json").unlink()
    with pytest.raises(SourceError, match=r"no complete set of pseudo-labels .*; run the stage pseudo_label"):
        open_samples(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"), [("{}", "not an index of pseudo-labels"), ("[", "not an index"), (None, "format 99")]
)
def test_another_index_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    write_labels(tmp_path, (2,))
    newer = {**json.loads((tmp_path / "index.json").read_text()), "format_version": 99}
    (tmp_path / "index.json").write_text(json.dumps(newer) if text is None else text)
    with pytest.raises(SourceError, match=words):
        open_samples(tmp_path)


def test_a_set_without_samples_is_refused_as_a_source(tmp_path: Path) -> None:
    write_labels(tmp_path, (0,))
    with pytest.raises(SourceError, match="no samples"):
        open_source("pseudo", str(tmp_path), {})


@pytest.mark.parametrize("damage", ["truncated", "gone", "overwritten", "short offsets"])
def test_a_damaged_shard_names_the_sample(tmp_path: Path, damage: str) -> None:
    tar = write_labels(tmp_path, (2,)) / f"{shard_name(0)}.tar"
    samples = open_samples(tmp_path)
    if damage == "truncated":
        tar.write_bytes(tar.read_bytes()[:3000])
    elif damage == "gone":
        tar.unlink()
    elif damage == "overwritten":
        tar.write_bytes(bytes(len(tar.read_bytes())))
    else:
        np.save(tar.with_suffix(".npy"), np.zeros((1, 3, 2), np.int64))
    with pytest.raises(SourceError, match=r"shard_00000000.tar: sample 1 (is damaged; label again|cannot be read)"):
        samples[1]
