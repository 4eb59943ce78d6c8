"""A bag stays whole through errors, Ctrl-C, a full disk and a killed process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import Reader

from depth_anything_ros.bag import safe_mcap
from depth_anything_ros.bag.reader import BagReader
from depth_anything_ros.bag_writer import BagWriter
from depth_anything_ros.errors import OutputError
from depth_anything_ros.image_codec import decode_image
from tests.sample_bags import START_NS
from tests.sample_depth import is_tidy, large_frame, messages_in
from tests.source_tree import REPOSITORY


@pytest.mark.alone
def test_ctrl_c_in_the_middle_of_a_write_comes_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close_chunk = safe_mcap.McapWriter.close_chunk

    def interrupted(self: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        close_chunk(self)

    def write_two() -> None:
        with BagWriter(tmp_path / "out") as writer:
            writer.write(large_frame(0))
            writer.write(large_frame(1))

    monkeypatch.setattr(safe_mcap.McapWriter, "close_chunk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_two()
    assert [topic for topic, _, _ in messages_in(tmp_path / "out")] == ["/depth/image", "/depth/camera_info"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class FullDisk:
    """Lets a number of bytes through and then refuses, as a full disk does, half-way through a write."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, num_bytes: int) -> None:
        self.free = num_bytes
        write = safe_mcap._WholeFile.write

        def limited(file: Any, data: Any) -> int:
            size = memoryview(data).nbytes
            if size > self.free:
                write(file, memoryview(data).cast("B")[: self.free])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.free -= size
            return write(file, data)

        monkeypatch.setattr(safe_mcap._WholeFile, "write", limited)


def test_a_full_disk_is_said_and_what_was_written_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch, 3_000_000)
    writer = BagWriter(tmp_path / "out")
    writer.write(large_frame(0))
    writer.write(large_frame(1))
    with pytest.raises(OutputError, match=r"cannot write .*out: the disk is full"):
        writer.write(large_frame(2))
    with pytest.raises(OutputError, match="the disk is full"):
        writer.write(large_frame(3))
    disk.free = 1 << 20  # the reserve is given back
    with pytest.raises(OutputError, match=r"the disk is full; the bag ends after 2 frames"):
        writer.close()
    messages = messages_in(tmp_path / "out")
    assert [topic for topic, _, _ in messages] == ["/depth/image", "/depth/camera_info"] * 2
    assert [log_ns - START_NS for _, log_ns, _ in messages] == [0, 0, 1, 1]
    assert writer.num_frames == 2
    with Reader(tmp_path / "out") as reader:
        assert (reader.message_count, reader.duration) == (4, 2)
    assert is_tidy(tmp_path)


def test_a_disk_that_stays_full_leaves_what_was_written_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch, 3_000_000)
    writer = BagWriter(tmp_path / "out")
    writer.write(large_frame(0))
    disk.free = 0
    with pytest.raises(OutputError, match=r"the disk is full; what was written is in .*\.out\.\d+\.part"):
        writer.close()
    assert not (tmp_path / "out").exists()
    (work,) = tmp_path.glob(".out.*.part")
    with BagReader(work / "out") as reader:
        message, _ = reader.messages(reader.counts)
        np.testing.assert_array_equal(decode_image(reader.decode(message)), large_frame(0).depth_HW)


def test_a_file_size_limit_of_the_system_is_survived(tmp_path: Path) -> None:
    code = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from depth_anything_ros.bag_writer import BagWriter
from depth_anything_ros.errors import OutputError
from tests.sample_depth import large_frame
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))
writer = BagWriter(sys.argv[1])
try:
    for index in range(10):
        writer.write(large_frame(index))
except OutputError as error:
    print(error)
try:
    writer.close()
except OutputError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "out"), str(REPOSITORY)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    first, second = result.stdout.splitlines()
    assert first.endswith("the file grew beyond the allowed size")
    assert second.endswith("the bag ends after 3 frames")
    assert len(messages_in(tmp_path / "out")) == 6


def test_a_killed_writer_leaves_no_bag_under_its_name(tmp_path: Path) -> None:
    code = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from depth_anything_ros.bag_writer import BagWriter
from tests.sample_depth import large_frame
writer = BagWriter(sys.argv[1])
writer.write(large_frame(0))
os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "out"), str(REPOSITORY)]
    assert subprocess.run(command, check=False, cwd=REPOSITORY).returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()


def test_memory_stays_flat_while_writing(tmp_path: Path) -> None:
    frame = large_frame(0)
    with BagWriter(tmp_path / "out") as writer:
        writer.write(frame)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            writer.write(frame)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert after - before < 2_000_000, "20 frames of 1.2 MB were written"
