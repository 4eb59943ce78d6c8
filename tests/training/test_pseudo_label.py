"""Stage pseudo_label: what is written, what is passed over, and what a kill or a full disk leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError, EngineError, OutputError, SourceError
from depth_anything_ros.preprocess import resize_to_network
from tests.sample_bags import camera_recording, write_bag
from tests.test_media import write_video
from tests.training.label_runs import label_recipe, write_images, write_teacher
from tests.training.test_shard_writer import FullDisk
from tests.training.unlabelled.test_inputs import write_tar
from training import pseudo_label, shard_labeller
from training.predictor import open_predictor
from training.shard_writer import read_manifest
from training.sources.pseudo import open_samples
from training.stages import is_done


def index_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "index.json").read_text())
    return found


def sources_of(folder: Path) -> list[str]:
    samples = open_samples(folder)
    return sorted(Path(samples[number].source).name for number in range(len(samples)))


def tars_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.tar")}


def test_a_sample_is_what_the_teacher_said_of_the_clean_image(tmp_path: Path) -> None:
    images, teacher = write_images(tmp_path / "images", 6), write_teacher(tmp_path)
    folder = pseudo_label.run(label_recipe(tmp_path / "out", [str(images)], teacher))
    samples = open_samples(folder)
    assert len(samples) == 6
    with open_predictor(teacher, threads=1) as predictor:
        for number in range(6):
            sample = samples[number]
            bgr = cv2.imread(sample.source)
            clean = resize_to_network(np.ascontiguousarray(bgr[..., ::-1]), (28, 42), "area")
            disparity = predictor.disparity(clean[None])[0]
            assert np.abs(sample.depth_HW - disparity).max() <= 1e-4 * np.ptp(disparity) + 1e-6
            assert np.abs(sample.image_HW3.astype(int) - clean).mean() < 4  # JPEG
    assert index_of(folder)["teacher"]["name"] == str(teacher)
    manifest = read_manifest(folder, 1)
    assert manifest is not None
    assert (manifest["images"], manifest["samples"], manifest["teacher"]) == (2, 2, index_of(folder)["teacher"])
    assert set(manifest["versions"]) >= {"depth_anything_ros", "torch", "numpy", "opencv"}


def test_corrupt_images_and_copies_are_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, teacher = write_images(tmp_path / "images", 6), write_teacher(tmp_path)
    (images / "001_copy.png").write_bytes((images / "001.png").read_bytes())  # in the same shard
    cv2.imwrite(str(images / "z_copy.bmp"), cv2.imread(str(images / "000.png")))  # in another, and another format
    (images / "002_bad.png").write_bytes((images / "002.png").read_bytes()[:-20])
    (images / "long.png").write_bytes(cv2.imencode(".png", np.zeros((5, 500, 3), np.uint8))[1].tobytes())
    folder = pseudo_label.run(label_recipe(tmp_path / "out", [str(images)], teacher))
    index = index_of(folder)
    assert (index["images"], index["samples"]) == (10, 6)
    assert index["skipped"] == {"corrupt": 2, "duplicate": 2, "unlabelled": 0}
    skipped = {"corrupt": {}, "duplicate": {}}
    for number in range(3):
        manifest = read_manifest(folder, number)
        assert manifest is not None
        for cause, found in skipped.items():
            found.update({Path(name).name: reason for name, reason in manifest["skipped"][cause]})
    assert set(skipped["duplicate"]) == {"001_copy.png", "z_copy.bmp"}
    assert "PNG is truncated" in skipped["corrupt"]["002_bad.png"]
    assert "more than 12 times as long as wide" in skipped["corrupt"]["long.png"]
    assert "6 of 10 images in 3 shards; 2 corrupt, 2 duplicate, 0 unlabelled" in capsys.readouterr().out


def test_images_of_all_kinds_and_sizes(tmp_path: Path) -> None:
    images, teacher = write_images(tmp_path / "images", 3), write_teacher(tmp_path)
    write_images(images, 2, first=3, size=(64, 48))
    tar = write_tar(tmp_path / "s.tar", {path.name: path.read_bytes() for path in sorted(images.iterdir())[:3]})
    write_images(tmp_path / "more", 1, first=9)
    (tmp_path / "list.txt").write_text("more/009.png\nmore/gone.png\n")
    bag = write_bag(tmp_path / "run", camera_recording(5, info=False))
    video = write_video(tmp_path / "v.avi", 5, noise=True)
    entries = [str(item) for item in (images, tar, tmp_path / "list.txt", bag, video)]
    folder = pseudo_label.run(label_recipe(tmp_path / "out", entries, teacher))
    assert index_of(folder)["skipped"] == {"corrupt": 1, "duplicate": 3, "unlabelled": 0}
    expected = [f"{n:03d}.png" for n in (0, 1, 2, 3, 4, 9)] + [f"run#{n}" for n in range(5)]
    assert sources_of(folder) == sorted(expected + [f"v.avi#{n}" for n in range(5)])
    samples = open_samples(folder)
    shapes = {samples[n].image_HW3.shape for n in range(len(samples)) if samples[n].source.endswith(("3.png", "4.png"))}
    assert shapes == {(42, 28, 3)}


def test_a_metric_teacher_gives_the_inverse_of_its_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, teacher = write_images(tmp_path / "images", 2), write_teacher(tmp_path, "log_depth")
    folder = pseudo_label.run(label_recipe(tmp_path / "out", [str(images)], teacher))
    sample = open_samples(folder)[1]
    image = cv2.imread(sample.source)[..., ::-1]
    with open_predictor(teacher, threads=1) as predictor:
        depth = predictor.predict(resize_to_network(np.ascontiguousarray(image), (28, 42), "area")[None])[0]
    expected = np.where(np.isinf(depth), 0, 1 / depth)
    np.testing.assert_allclose(sample.depth_HW, expected, atol=1e-4 * np.ptp(expected) + 1e-6)


def test_a_teacher_that_says_nothing_of_an_image_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, teacher = write_images(tmp_path / "images", 4), write_teacher(tmp_path)
    said = []

    def disparity(self: Any, batch: np.ndarray) -> np.ndarray:
        said.append(len(batch))
        found = np.ones(batch.shape[:3], np.float32)
        found[0] = np.nan
        return found

    monkeypatch.setattr("training.predictor.Predictor.disparity", disparity)
    folder = pseudo_label.run(label_recipe(tmp_path / "out", [str(images)], teacher))
    assert said == [2, 2]
    assert index_of(folder)["skipped"] == {"corrupt": 0, "duplicate": 0, "unlabelled": 2}
    assert sources_of(folder) == ["001.png", "003.png"]


KILLED = """
import sys, time
from pathlib import Path
from tests.training.label_runs import label_recipe
from training import predictor, pseudo_label
disparity = predictor.Predictor.disparity
def slow(self, images):
    time.sleep(0.1)
    return disparity(self, images)
predictor.Predictor.disparity = slow
pseudo_label.run(label_recipe(Path(sys.argv[1]), [sys.argv[2]], sys.argv[3]))
"""


def test_a_killed_run_goes_on_and_gives_what_an_unbroken_one_gives(tmp_path: Path) -> None:
    images, teacher = write_images(tmp_path / "images", 30), write_teacher(tmp_path)
    for number in (3, 17):
        (images / f"{number + 1:03d}_copy.png").write_bytes((images / f"{number:03d}.png").read_bytes())
    unbroken = pseudo_label.run(label_recipe(tmp_path / "unbroken", [str(images)], teacher))
    out = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(out), str(images), str(teacher)], stderr=subprocess.DEVNULL
    )
    folder = out / "pseudo_label"
    until = time.monotonic() + 60
    while not (folder / "shard_00000002.json").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = {number: read_manifest(folder, number) for number in range(8)}
    assert kept[2] is not None
    assert kept[7] is None
    assert not (folder / "index.json").exists()
    with pytest.raises(SourceError, match=r"no complete set of pseudo-labels \(index.json is written last\)"):
        open_samples(folder)
    times = {path: path.stat().st_mtime_ns for path in folder.glob("shard_0000000[0-2].*")}
    (folder / ".shard_00000006.part.tar").write_bytes(b"of an earlier kill")
    write_images(images, 1, first=90)  # the folder grows meanwhile: the list of what is to be done does not
    recipe = label_recipe(out, [str(images)], teacher, workers=1)
    assert pseudo_label.run(recipe) == folder
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert tars_of(folder) == tars_of(unbroken)
    assert index_of(folder) == index_of(unbroken)
    assert index_of(folder)["skipped"]["duplicate"] == 2
    assert is_done(recipe, "pseudo_label")
    assert list(folder.glob(".shard_*")) == []


def test_a_full_disk_keeps_what_is_complete_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, teacher = write_images(tmp_path / "images", 10), write_teacher(tmp_path)
    recipe = label_recipe(tmp_path / "out", [str(images)], teacher)
    whole = pseudo_label.run(label_recipe(tmp_path / "whole", [str(images)], teacher))
    with monkeypatch.context() as patch:
        FullDisk(patch, (whole / "shard_00000000.tar").stat().st_size * 3 // 2)
        with pytest.raises(OutputError, match=r"cannot write .*shard_00000001\.\w+: No space left on device"):
            pseudo_label.run(recipe)
    folder = tmp_path / "out" / "pseudo_label"
    first = (folder / "shard_00000000.tar").stat().st_mtime_ns
    assert not is_done(recipe, "pseudo_label")
    assert list(folder.glob(".shard_*")) == []
    pseudo_label.run(recipe)
    assert (folder / "shard_00000000.tar").stat().st_mtime_ns == first
    assert tars_of(folder) == tars_of(whole)


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, teacher = write_images(tmp_path / "images", 3), write_teacher(tmp_path)
    recipe = label_recipe(tmp_path / "out", [str(images)], teacher)
    folder = pseudo_label.run(recipe)
    monkeypatch.delattr(shard_labeller, "open_predictor")
    assert pseudo_label.run(recipe) == folder
    assert pseudo_label.run(label_recipe(tmp_path / "out", [str(images)], teacher, batch_size=8, workers=1)) == folder


def test_another_teacher_under_the_same_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, teacher = write_images(tmp_path / "images", 6), write_teacher(tmp_path)
    recipe = label_recipe(tmp_path / "out", [str(images)], teacher)
    folder = pseudo_label.run(recipe)
    (folder / "DONE").unlink()
    teacher.write_bytes(write_teacher(tmp_path, "exp").read_bytes())
    with pytest.raises(
        ConfigError, match=r"shard_00000000.json: labelled by a teacher with SHA-256 .*take another out"
    ):
        pseudo_label.run(recipe)


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    images, teacher = write_images(tmp_path / "images", 2), write_teacher(tmp_path)
    pseudo_label.run(label_recipe(tmp_path / "out", [str(images)], teacher))
    with pytest.raises(ConfigError, match=r"other values of pseudo_label.short_side"):
        pseudo_label.run(label_recipe(tmp_path / "out", [str(images)], teacher, short_side=42))


@pytest.mark.parametrize(
    ("section", "error", "words"),
    [
        ({"images": []}, ConfigError, "pseudo_label.images: at least one"),
        ({"images": ["gone"]}, SourceError, "gone does not exist"),
        ({"images": ["bad"]}, SourceError, "none of 1 images could be labelled; the first: .*1.png is not an image"),
        ({"teacher": "teacher"}, ConfigError, "stage teacher is not done"),
        ({"teacher": "gone.safetensors"}, ConfigError, "gone.safetensors"),
        ({"teacher": "gone.onnx"}, EngineError, "no network at gone.onnx"),
    ],
)
def test_bad_input_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: dict[str, Any], error: type[Exception], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "1.png").write_bytes(b"nonsense")
    values = {"images": [str(write_images(tmp_path / "images", 1))], "teacher": str(write_teacher(tmp_path)), **section}
    with pytest.raises(error, match=words):
        pseudo_label.run(label_recipe(tmp_path / "out", values["images"], values["teacher"]))


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"short_side": 100}, "short_side 100: a multiple of 14"),
        ({"shard_images": 0}, "shard_images 0: a whole number from 1"),
        ({"workers": -1}, "workers -1: a whole number from 0"),
    ],
)
def test_bad_values_are_refused(tmp_path: Path, section: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        label_recipe(tmp_path, ["images"], "teacher", **section)
