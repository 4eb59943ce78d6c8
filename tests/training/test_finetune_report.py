"""What is said of a fine-tune: better or not, by what measure, and what the figures rest on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training.config import Recipe, recipe_from_dict
from training.finetune_report import Outcome, commands, write_outcome

OUTCOME: dict[str, Any] = {
    "start": "start.safetensors", "recordings": ["walk: 80 frames"], "numbers": {"walk train": 45}, "left_out": {},
    "trained_on": "depth images on /depth", "labelled": False, "teacher_seen": 0, "has_truth": True,
    "assumed_hfov_deg": 0.0, "engine": Path("/out dir/net.onnx"), "image_topic": "/camera/image_raw",
    "bag": Path("walk"),
}  # fmt: skip


def figures(unaligned: float | None, median: float, seen: int = 0) -> dict[str, Any]:
    return {
        "group": "walk test", "seen_in_training": seen,
        "unaligned": {"abs_rel": unaligned, "rmse": 0.5}, "median": {"abs_rel": median, "rmse": 0.4},
    }  # fmt: skip


def evaluated(out: Path, groups: list[dict[str, Any]]) -> Recipe:
    (out / "evaluate").mkdir(parents=True)
    (out / "evaluate" / "evaluation.json").write_text(json.dumps({"groups": groups}))
    tree = {
        "name": "net",
        "description": "net on walk",
        "out": str(out),
        "network": {"size": "tiny"},
        "evaluate": {"sources": [{"kind": "frames", "path": "absent"}]},
    }
    return recipe_from_dict(tree, "made")


def reported(tmp_path: Path, before: dict[str, Any], after: dict[str, Any], **changes: Any) -> str:
    recipes = evaluated(tmp_path / "before", [before]), evaluated(tmp_path, [{"group": "other"}, after])
    said = write_outcome(tmp_path, *recipes, Outcome(**{**OUTCOME, **changes}))
    assert said.splitlines()[0] in (tmp_path / "report.md").read_text()
    return said


def test_better_in_metres_but_not_in_shape(tmp_path: Path) -> None:
    said = reported(tmp_path, figures(0.4, 0.21), figures(0.2, 0.25))
    assert (
        "abs_rel on the part never seen: unaligned 0.400 before, 0.200 after, better;"
        " median 0.210 before, 0.250 after, no better in shape." in said
    )
    assert "| before | unaligned | 0.400 | 0.500 | - | - | - |" in said
    assert json.loads((tmp_path / "report.json").read_text())["after"]["median"]["abs_rel"] == 0.25


def test_no_better_is_said(tmp_path: Path) -> None:
    said = reported(tmp_path, figures(0.2, 0.2), figures(0.2, 0.1))
    assert "unaligned 0.200 before, 0.200 after, no better: keep the start; median 0.200 before, 0.100 after" in said


def test_a_network_without_an_answer_is_not_compared(tmp_path: Path) -> None:
    assert "unaligned not to be compared" in reported(tmp_path, figures(None, 0.2), figures(0.2, 0.1))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"labelled": True},
            "* **No truth was seen in training.** The figures are against the depth in the recording.",
        ),
        ({"labelled": True, "has_truth": False}, "Disagreement with the teacher (abs_rel) on the part never seen"),
        (
            {"labelled": True, "teacher_seen": 7},
            "The teacher itself was trained on 7 of the frames",
        ),
        ({"assumed_hfov_deg": 62.5}, "* The camera is not calibrated: 62.5 deg across were given for it."),
        ({"left_out": {"blurred": 3}}, "* Frames: walk train 45; not trained on: 3 blurred"),
    ],
)
def test_what_the_figures_rest_on(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    assert expected in reported(tmp_path, figures(0.4, 0.2), figures(0.2, 0.1), **changes)


def test_a_start_that_knows_the_frames_is_told(tmp_path: Path) -> None:
    said = reported(tmp_path, figures(0.4, 0.2, seen=12), figures(0.2, 0.1, seen=12))
    assert "* The start itself was trained on 12 of the frames that are measured" in said


def test_compressed_images_and_names_with_spaces() -> None:
    launch, run = commands(Outcome(**{**OUTCOME, "image_topic": "/camera/image_raw/compressed"}))
    assert launch.endswith("model:='/out dir/net.onnx' image_topic:=/camera/image_raw image_transport:=compressed")
    assert run.strip() == "depth_anything_ros run walk --model '/out dir/net.onnx' --out depth"
