"""Shards of pseudo-labels on disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import OutputError
from training import run_dir, shard_writer
from training.shard_writer import (
    PARTS,
    ShardWriter,
    decode_disparity,
    encode_disparity,
    encode_image,
    member_offsets,
    read_manifest,
)


class FullDisk:
    """Files that take a number of bytes, all together, and then refuse as a full disk does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, num_bytes: int) -> None:
        self.free = num_bytes
        monkeypatch.setattr(shard_writer, "open", self.open, raising=False)

    def open(self, path: Any, mode: str = "r", **options: Any) -> Any:
        file = open(path, mode, buffering=0) if "w" in mode else open(path, mode, **options)  # noqa: SIM115
        if "w" not in mode:
            return file
        write = file.write

        def limited(data: Any) -> int:
            size = memoryview(data).nbytes
            if size > self.free:
                write(memoryview(data).cast("B")[: self.free])
                self.free = 0
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.free -= size
            return int(write(data))

        class Limited:
            def __getattr__(self, name: str) -> Any:
                return getattr(file, name)

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *error: object) -> None:
                file.close()

        made = Limited()
        made.write = limited  # type: ignore[attr-defined]
        return made


def parts(seed: int, size: int = 500) -> dict[str, bytes]:
    rng = np.random.default_rng(seed)
    return {part: rng.integers(0, 256, size + seed, np.uint8).tobytes() for part in PARTS}


def test_disparity_in_16_bits_comes_back_to_half_a_step(tmp_path: Path) -> None:
    disparity = np.random.default_rng(0).uniform(-3, 40, (28, 42)).astype(np.float32)
    disparity[0, :5] = [np.nan, np.inf, -np.inf, 0.0, 40.0]
    png, scale, offset = encode_disparity(disparity)
    known = np.isfinite(disparity)
    found = decode_disparity(png, scale, offset)
    assert found is not None
    assert np.array_equal(np.isfinite(found), known)
    assert np.isnan(found[~known]).all()
    span = disparity[known].max() - disparity[known].min()
    assert np.abs(found - disparity)[known].max() <= 0.51 * span / 65534
    levels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (levels[~known] == 0).all()
    assert (levels[known].min(), levels[known].max()) == (1, 65535)


@pytest.mark.parametrize("value", [0.0, 7.5, -1e-30])
def test_a_flat_disparity_comes_back(value: float) -> None:
    found = decode_disparity(*encode_disparity(np.full((14, 14), value, np.float32)))
    assert found is not None
    np.testing.assert_array_equal(found, np.float32(value))


def test_nothing_finite_is_no_disparity() -> None:
    with pytest.raises(ValueError, match="no finite disparity"):
        encode_disparity(np.full((14, 14), np.nan, np.float32))


@pytest.mark.parametrize("data", [b"", b"nonsense", encode_image(np.zeros((14, 14, 3), np.uint8))])
def test_bytes_that_are_no_16_bit_png_are_no_disparity(data: bytes) -> None:
    assert decode_disparity(data, 1.0, 0.0) is None


def test_a_shard_is_a_tar_with_offsets_and_a_manifest(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, 3) as writer:
        for number in range(4):
            writer.add(f"{number:012d}", parts(number))
        manifest = writer.finish({"images": 5})
    assert manifest == read_manifest(tmp_path, 3)
    assert (manifest["samples"], manifest["images"]) == (4, 5)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["shard_00000003.json", "shard_00000003.npy", "shard_00000003.tar"]
    data = (tmp_path / "shard_00000003.tar").read_bytes()
    for number, row in enumerate(np.load(tmp_path / "shard_00000003.npy", allow_pickle=False)):
        for part, (start, size) in zip(PARTS, row, strict=True):
            assert data[start : start + size] == parts(number)[part]


def test_the_webdataset_library_reads_it(tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset")
    with ShardWriter(tmp_path, 0) as writer:
        writer.add("000000000007", parts(1))
        writer.add("000000000008", parts(2))
        writer.finish({})
    found = list(wds.WebDataset(str(tmp_path / "shard_00000000.tar"), shardshuffle=False))
    assert [sample["__key__"] for sample in found] == ["000000000007", "000000000008"]
    assert [{part: sample[part] for part in PARTS} for sample in found] == [parts(1), parts(2)]


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        with ShardWriter(tmp_path / folder, 0) as writer:
            writer.add("000000000007", parts(1))
            writer.finish({})
    assert (tmp_path / "a/shard_00000000.tar").read_bytes() == (tmp_path / "b/shard_00000000.tar").read_bytes()


@pytest.mark.parametrize("error", [None, ValueError("the teacher failed"), KeyboardInterrupt()])
def test_a_shard_that_is_not_finished_is_not_there(tmp_path: Path, error: BaseException | None) -> None:
    def write() -> None:
        with ShardWriter(tmp_path, 0) as writer:
            writer.add("000000000007", parts(1))
            if error:
                raise error

    if error:
        with pytest.raises(type(error)):
            write()
    else:
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("free", [0, 100, 1100, 3000, 10300])
def test_a_full_disk_is_said_and_leaves_nothing_of_the_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    FullDisk(monkeypatch, free)

    def write() -> None:
        with ShardWriter(tmp_path, 0) as writer:
            for number in range(2):
                writer.add(f"{number:012d}", parts(number))
            writer.finish({})

    with pytest.raises(OutputError, match=r"cannot write .*shard_00000000\.\w+: No space left on device"):
        write()
    assert read_manifest(tmp_path, 0) is None
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_disk_that_is_full_at_the_manifest_leaves_no_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, data: Any) -> None:
        with run_dir.os_errors(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shard_writer, "write_json", refuse)
    with ShardWriter(tmp_path, 0) as writer:
        writer.add("000000000007", parts(1))
        with pytest.raises(OutputError, match=r"shard_00000000\.json: No space left"):
            writer.finish({})
    assert read_manifest(tmp_path, 0) is None


def test_a_manifest_of_another_tar_or_without_one_does_not_count(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, 0) as writer:
        writer.add("000000000007", parts(1))
        writer.finish({})
    tar = tmp_path / "shard_00000000.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole[:-1])
    assert read_manifest(tmp_path, 0) is None
    tar.write_bytes(whole)
    assert read_manifest(tmp_path, 0) is not None
    tar.unlink()
    assert read_manifest(tmp_path, 0) is None


def test_a_tar_of_another_layout_has_no_offsets(tmp_path: Path) -> None:
    from tests.training.unlabelled.test_inputs import write_tar

    path = write_tar(tmp_path / "x.tar", {"1.jpg": b"a", "1.json": b"{}"})
    with pytest.raises(ValueError, match=r"member 1.json, one with disparity.png is accepted"):
        member_offsets(path)
