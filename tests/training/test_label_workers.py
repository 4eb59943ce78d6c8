"""Two Ray actors label what one process labels."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from depth_anything_ros.errors import ConfigError, EngineError, MissingDependency
from tests.training.label_runs import label_recipe, write_images, write_teacher
from tests.training.test_pseudo_label import index_of, sources_of
from training import label_workers, pseudo_label
from training.label_workers import label_shards
from training.shard_labeller import LabelJob
from training.shard_writer import read_manifest
from training.unlabelled import WorkList, list_images


def write_mixed_images(folder: Path) -> Path:
    """18 images, 3 copies of them and a corrupt one."""
    write_images(folder, 18)
    (folder / "bad.png").write_bytes(b"nonsense")
    for original, name in COPIES.items():
        (folder / name).write_bytes((folder / original).read_bytes())
    return folder


COPIES = {"000.png": "000_copy.png", "007.png": "x.png", "014.png": "y.png"}


def contents_of(folder: Path) -> list[str]:
    """Names of the labelled images, copies by the name of their original."""
    originals = {copy: original for original, copy in COPIES.items()}
    return sorted(originals.get(name, name) for name in sources_of(folder))


# Found without importing it: the stage sets what Ray reads when it is imported.
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")


@needs_ray
def test_two_workers_label_what_one_labels(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    images, teacher = str(write_mixed_images(tmp_path / "images")), write_teacher(tmp_path)
    one = pseudo_label.run(label_recipe(tmp_path / "one", [images], teacher))
    two = pseudo_label.run(label_recipe(tmp_path / "two", [images], teacher, workers=2))
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert "WARNING" not in capfd.readouterr().err
    # Which of two copies is kept depends on who comes first; how many images are kept does not.
    assert {**index_of(one), "shards": []} == {**index_of(two), "shards": []}
    assert index_of(two)["skipped"] == {"corrupt": 1, "duplicate": 3, "unlabelled": 0}
    assert contents_of(one) == contents_of(two) == [f"{number:03d}.png" for number in range(18)]


@needs_ray
@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_what_goes_wrong_in_one_arrives_as_one_line(tmp_path: Path) -> None:
    images, teacher = str(write_mixed_images(tmp_path / "images")), write_teacher(tmp_path)
    killed: list[int] = []
    with label_workers._ray(2) as ray:
        # Nobody else can reach it.
        assert [node["NodeManagerAddress"] for node in ray.nodes()] == ["127.0.0.1"]
        watch = threading.Thread(target=kill_a_worker, args=(tmp_path / "out" / "pseudo_label", killed))
        watch.start()
        folder = pseudo_label.run(label_recipe(tmp_path / "out", [images], teacher, workers=2, shard_images=1))
        watch.join()
        assert len(killed) == 1
        assert contents_of(folder) == [f"{number:03d}.png" for number in range(18)]
        job = LabelJob(
            folder=str(folder), teacher="gone.safetensors", teacher_sha256="", short_side=28, interpolation="area",
            batch_size=2,
        )  # fmt: skip
        with pytest.raises(EngineError, match=r"^gone.safetensors: no such checkpoint$"):
            label_shards(job, [0, 1], 2, lambda images: None)


@needs_ray
def test_images_are_counted_before_their_shard_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: two workers with one shard each showed nothing until the first was done."""
    monkeypatch.setattr(label_workers, "_LOOK_EVERY_S", 0.02)
    WorkList.write(tmp_path, list_images(str(write_images(tmp_path / "images", 120))), chunk_images=60)
    job = LabelJob(
        folder=str(tmp_path), teacher=str(write_teacher(tmp_path)), teacher_sha256="", short_side=280,
        interpolation="area", batch_size=2, threads=1,
    )  # fmt: skip
    counts: list[tuple[int, int]] = []
    label_shards(job, [0, 1], 2, lambda images: counts.append((images, len(list(tmp_path.glob("shard_*.tar"))))))
    assert sum(images for images, _ in counts) == 120
    assert any(images and not shards for images, shards in counts)


def kill_a_worker(folder: Path, killed: list[int]) -> None:
    """Kill one of the actors that this process has started as soon as there is a shard."""
    until = time.monotonic() + 120
    while time.monotonic() < until and not list(folder.glob("*.tar")):
        time.sleep(0.01)
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            pid = int(status.parent.name)
            if status.read_bytes().startswith(b"ray::MapWorker") and os.getpid() in ancestors(pid):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return


def ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.append(pid)
    return found


def test_actors_find_the_devices_memory_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher that this process has trained leaves most of its device's memory in PyTorch's cache."""
    freed: list[bool] = []

    @contextlib.contextmanager
    def start(workers: int) -> Iterator[None]:
        assert freed
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(label_workers.torch.cuda, "empty_cache", lambda: freed.append(True))
    monkeypatch.setattr(label_workers, "_ray", start)
    job = LabelJob(folder="", teacher="", teacher_sha256="", short_side=28, interpolation="area", batch_size=2)
    with pytest.raises(KeyboardInterrupt):
        label_shards(job, [0, 1], 2, lambda images: None)


def test_one_worker_needs_no_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    images = str(write_images(tmp_path / "images", 3))
    WorkList.write(tmp_path, list_images(images), chunk_images=2)
    job = LabelJob(
        folder=str(tmp_path), teacher=str(write_teacher(tmp_path)), teacher_sha256="", short_side=28,
        interpolation="area", batch_size=2, threads=1,
    )  # fmt: skip
    counts: list[int] = []
    label_shards(job, [0, 1], 1, counts.append)
    assert sum(counts) == 3
    assert read_manifest(tmp_path, 1) is not None
    with pytest.raises(MissingDependency, match=r"ray is not installed; it comes with: pip install .*\[train\]"):
        label_shards(job, [0, 1], 2, counts.append)
    with pytest.raises(ConfigError, match="no such checkpoint"):
        label_shards(dataclasses.replace(job, teacher="gone.safetensors"), [0], 1, counts.append)
    label_shards(dataclasses.replace(job, teacher="gone.safetensors"), [], 1, counts.append)
