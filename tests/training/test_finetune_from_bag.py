"""From a recording to an engine: with depth, with a teacher's labels, and what is said of either."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from depth_anything_ros.engine import STARTER, load_engine
from depth_anything_ros.spec import Licence, load_spec, spec_path_of
from tests.sample_bags import camera_recording, write_bag
from tests.sample_clouds import lidar_recording
from tests.tiny_networks import write_network
from tests.training.made import write_checkpoint
from training import bag_recipe
from training import finetune as finetune_flow
from training.__main__ import main
from training.bag_recipe import inherited_licence, open_start
from training.checkpoint import load_checkpoint, read_meta, save_checkpoint

QUICK = (
    *("metric.steps=2", "metric.batch_size=2", "metric.checkpoint_every=1"),
    *("compute.threads=1", "compute.tensorboard=false"),
)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "start.safetensors", tmp_path / "no_shards")


def finetune(bag: Path, start: Path | str, out: Path, *options: str) -> int:
    return main(["finetune-from-bag", str(bag), "--start", str(start), "--out", str(out), *options, *QUICK])


def report_of(out: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


def test_with_depth_to_an_engine_and_the_line_that_starts_it(
    tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag, out = write_bag(tmp_path / "walk", camera_recording(24)), tmp_path / "out"
    assert finetune(bag, start, out) == 0
    said = capsys.readouterr().out
    engine = out / "export" / "tiny_on_walk.onnx"
    assert f"depth.launch.py model:={engine} image_topic:=/camera/image_raw\n" in said
    report = report_of(out)
    assert report["trained_on"] == "depth images on /camera/aligned_depth/image_raw" and report["has_truth"]
    assert report["numbers"]["walk test"] == 6 == report["after"]["with_truth"]
    assert report["after"]["unaligned"]["abs_rel"] != report["before"]["unaligned"]["abs_rel"]
    text = (out / "report.md").read_text()
    assert "on the part never seen:" in text and "No truth" not in text
    pictures = [line.partition("](")[2].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(pictures) == 6 and all((out / name).is_file() for name in pictures)
    with load_engine(engine) as loaded:
        assert loaded.infer(np.zeros((1, 28, 42, 3), np.uint8)).shape == (1, 28, 42)
    # The frames that are measured are none of those that were trained on.
    recipe = yaml.safe_load((out / "recipe.yaml").read_text())
    assert recipe["data"]["walk train"]["last"] < recipe["data"]["walk validation"]["first"]
    assert len(read_meta(out / "metric" / "best.safetensors")["trained_frames"]) >= report["numbers"]["walk train"]
    assert shlex.split(report["commands"][1])[:3] == ["depth_anything_ros", "run", str(bag)]
    # Again: nothing is left to do.
    stamp = (out / "metric" / "best.safetensors").stat().st_mtime_ns
    assert finetune(bag, start, out) == 0
    assert (out / "metric" / "best.safetensors").stat().st_mtime_ns == stamp


def test_images_alone_by_a_teacher_without_any_truth(
    tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher = write_checkpoint(tmp_path / "teacher.safetensors", tmp_path / "no_shards")
    bag, out = write_bag(tmp_path / "walk", camera_recording(24, depth=False)), tmp_path / "out"
    assert finetune(bag, start, out) == 2
    assert "no depth images of its camera and no LiDAR (none is recorded); with images alone --teacher" in (
        capsys.readouterr().err
    )
    assert finetune(bag, start, out, "--teacher", str(teacher), "--scale", "teacher") == 0
    report = report_of(out)
    assert report["labelled"] and not report["has_truth"]
    assert report["trained_on"] == f"labels of {teacher}, its own metres"
    text = (out / "report.md").read_text()
    assert "**No truth was seen**, neither in training nor here." in text
    assert "Disagreement with the teacher" in text
    recipe = yaml.safe_load((out / "recipe.yaml").read_text())
    assert recipe["metric"]["augment"]["jitter"] == 0.6
    # The start has the teacher's weights, so that its answers are the labels, but for 16 bits and the size.
    assert report["before"]["unaligned"]["abs_rel"] < 0.02


def test_a_teacher_for_a_recording_with_depth_is_measured_by_it(tmp_path: Path, start: Path) -> None:
    bag, out = write_bag(tmp_path / "walk", camera_recording(24)), tmp_path / "out"
    teacher = write_checkpoint(tmp_path / "teacher.safetensors", tmp_path / "no_shards", "exp")
    assert finetune(bag, start, out, "--teacher", str(teacher)) == 0
    report = report_of(out)
    assert report["trained_on"] == f"labels of {teacher}, metres as {start} has them"
    assert "**No truth was seen in training.** The figures are against the depth" in (out / "report.md").read_text()
    recipe = yaml.safe_load((out / "recipe.yaml").read_text())
    assert "labels" in recipe["data"]["walk train"] and "labels" not in recipe["data"]["walk test"]
    # Frames of the test part are not even labelled.
    index = json.loads(Path(recipe["data"]["walk train"]["labels"]).read_text())
    assert max(index["labels"]) < f"walk/{18:06d}"


def test_a_lidar_and_a_camera_without_calibration(tmp_path: Path, start: Path) -> None:
    recorded = [item for item in lidar_recording(24) if "camera_info" not in item.topic]
    bag, out = write_bag(tmp_path / "drive", recorded), tmp_path / "out"
    assert finetune(bag, start, out, "--hfov", "65") == 0
    report = report_of(out)
    assert report["trained_on"] == "clouds on /lidar/points, placed by tf_static"
    assert "The camera is not calibrated: 65 deg across were given for it." in (out / "report.md").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scale", "teacher"], "--scale teacher is of a teacher's labels; accepted: with --teacher MODEL"),
        (["--scale-file", "s.yaml"], "--scale-file is of a teacher's labels"),
        (["--teacher", "t", "--scale", "teacher", "--scale-file", "s.yaml"], "one of them is accepted"),
        (["--every", "0"], "every 0: a whole number from 1 is accepted"),
        (
            ["student.steps=3"],
            "student.steps=3: this fine-tune has no stage student; accepted: metric, evaluate, export",
        ),
        (["--image-topic", "/none"], "has no images on /none"),
    ],
)
def test_options_that_do_not_fit(
    tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    bag = write_bag(tmp_path / "walk", camera_recording(20))
    assert finetune(bag, start, tmp_path / "out", *options) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("training: error: ") and message in error
    assert not (tmp_path / "out" / "metric").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["metric.stepz=3"], "unknown key 'stepz'; did you mean steps?"),
        (["computer.threads=1"], "unknown key 'computer'; did you mean compute?"),
        (["--teacher", "gone.safetensors"], "gone.safetensors: no such checkpoint"),
    ],
)
def test_what_is_told_before_a_recording_is_unpacked(
    tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    bag = write_bag(tmp_path / "walk", camera_recording(20))
    assert finetune(bag, start, tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_started_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "walk", camera_recording(1))
    for name, told in (
        ("net.onnx", "no network at net.onnx"),
        ("net.pth", "net.pth: no such checkpoint; accepted: one of training (.safetensors), an exported"),
        (write_network(tmp_path), "its spec names no torch weights, and only those can be trained"),
    ):
        assert finetune(bag, name, tmp_path / "out") == 2
        assert told in capsys.readouterr().err
    (tmp_path / "cut.safetensors").write_bytes(b"no tensors")
    assert finetune(bag, tmp_path / "cut.safetensors", tmp_path / "out") == 2
    assert "not a readable safetensors file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_from_the_shipped_starter_without_any_download(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag, out = write_bag(tmp_path / "walk", camera_recording(24)), tmp_path / "out"
    assert finetune(bag, "starter", out) == 0
    assert "start: starter from starter: its metres at a focal length of 300 px are refined" in capsys.readouterr().out
    meta, spec = read_meta(out / "metric" / "best.safetensors"), load_spec(out / "export" / "starter_on_walk.json")
    assert (
        meta["provenance"]["init"] == "starter starter 192x4" and "hololens_seq" in meta["provenance"]["init_sources"]
    )
    # Frames that the starter has seen count as seen, whatever is measured on them later.
    assert len(spec.trained_frames) > 64 and set(load_spec(spec_path_of(STARTER)).trained_frames) < set(
        spec.trained_frames
    )
    assert spec.resize == load_spec(spec_path_of(STARTER)).resize
    assert report_of(out)["before"]["unaligned"]["abs_rel"] > 0


def test_a_relative_start_needs_metres_from_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    relative = write_checkpoint(tmp_path / "relative.safetensors", tmp_path / "no_shards", "relu")
    bag = write_bag(tmp_path / "walk", camera_recording(24))
    assert finetune(bag, relative, tmp_path / "out", "--teacher", str(relative)) == 2
    assert "relative.safetensors has no metres to keep; --scale-file FILE" in capsys.readouterr().err
    assert finetune(bag, relative, tmp_path / "out") == 0
    report = report_of(tmp_path / "out")
    assert "unaligned" not in report["before"] and report["after"]["unaligned"]["abs_rel"] > 0


def test_too_short_a_recording(tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "walk", camera_recording(12))
    assert finetune(bag, start, tmp_path / "out") == 2
    assert "walk: 12 frames that can be used; at least 20 are needed" in capsys.readouterr().err


def test_of_a_long_recording_every_nth_image_is_taken(
    tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune_flow, "MAX_FRAMES", 12)
    bag = write_bag(tmp_path / "walk", camera_recording(30))
    assert finetune(bag, start, tmp_path / "out") == 2
    assert "walk: 10 frames that can be used" in capsys.readouterr().err


def test_two_recordings(tmp_path: Path, start: Path) -> None:
    first = write_bag(tmp_path / "one", camera_recording(24))
    second = write_bag(tmp_path / "two", camera_recording(20))
    options = ["--start", str(start), "--out", str(tmp_path / "out"), *QUICK]
    assert main(["finetune-from-bag", str(first), str(second), *options]) == 0
    report = report_of(tmp_path / "out")
    assert report["after"]["group"] == "all" and report["after"]["frames"] == 11
    assert {"one train", "two train", "one test", "two test"} <= report["numbers"].keys()
    (tmp_path / "else").mkdir()
    twin = write_bag(tmp_path / "else" / "one", camera_recording(20))
    assert main(["finetune-from-bag", str(first), str(twin), *options]) == 2


def test_terms_are_inherited(tmp_path: Path, start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inherited_licence(open_start(start), "") == inherited_licence(open_start(start), "starter") == {}
    bound = {"licence": "CC-BY-NC-4.0", "licence_category": "non-commercial", "licence_source": "made"}
    monkeypatch.setattr(
        bag_recipe,
        "load_spec",
        lambda path: SimpleNamespace(licence=Licence(id="CC-BY-NC-4.0", category="non-commercial", source="made")),
    )
    assert inherited_licence(open_start(start), "starter") == bound
    tensors, meta = load_checkpoint(start)
    meta["recipe"]["export"] = {"model": "metric", **bound}
    save_checkpoint(tmp_path / "bound.safetensors", tensors, meta)
    assert inherited_licence(open_start(tmp_path / "bound.safetensors"), str(start)) == bound
    assert inherited_licence(open_start(start), str(tmp_path / "bound.safetensors")) == bound
