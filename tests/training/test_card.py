"""The model card's table, on a made index with the real one's names."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.spec import load_spec
from tests.tiny_networks import write_network
from tests.training.made import write_checkpoint
from tests.training.tiny_training import write_shards
from training.__main__ import main
from training.card import LEFT_OUT, record_in_spec, tabulate, to_markdown, write_card
from training.samples import DepthSample


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """80 + 12 frames of the trained cameras and one of each other, all of a wall at a distance of its own."""
    counts = {"hololens_seq": 80, "apc_realsense": 12, **dict.fromkeys(LEFT_OUT, 1)}
    entries = []
    for number, (dataset, count) in enumerate(counts.items()):
        cv2.imwrite(str(tmp_path / f"{dataset}.png"), np.full((12, 16), 1000 + 500 * number, np.uint16))
        cv2.imwrite(str(tmp_path / f"{dataset}.jpg"), np.full((12, 16, 3), 10 + 20 * number, np.uint8))
        common = {"dataset": dataset, "rgb": f"{dataset}.jpg", "depth": f"{dataset}.png", "depth_scale_m": 0.001}
        camera = {
            "width": 16,
            "height": 12,
            "K": [15, 0, 7.5, 0, 15, 5.5, 0, 0, 1],
            "D": [],
            "distortion_model": "none",
        }
        entries += [{**common, **camera, "id": str(i)} for i in range(count)]
    (tmp_path / "index.json").write_text(json.dumps({"frames": entries}))
    return tmp_path / "index.json"


def test_every_row_stands_beside_the_answers_that_ignore_the_image(index: Path) -> None:
    def predict(sample: DepthSample) -> np.ndarray:
        return np.full((12, 16), (float(sample.image_HW3.mean()) - 10) / 40 + 1.0, np.float32)

    rows = tabulate(predict, index, "test")
    figures = {(name, answer): values for name, answer, values in rows}
    for name in ("hololens_seq 60-79", "apc_realsense 6-11", *LEFT_OUT):
        assert figures[name, "network"]["abs_rel"] < 0.02
        assert figures[name, "best constant"]["abs_rel"] < 0.02
        assert {answer for row, answer, _ in rows if row == name} >= {"mean map", "median map", "best ramp"}
    swapped = figures["pjlab_road", "network, another camera's image"]
    assert swapped["abs_rel"] > 0.2 and swapped["median_abs_rel"] < 0.02
    mean = figures["mean of left-out cameras", "network, another camera's image"]["abs_rel"]
    assert mean == pytest.approx(
        np.mean([figures[name, "network, another camera's image"]["abs_rel"] for name in LEFT_OUT])
    )
    table = to_markdown(rows)
    assert len(table.splitlines()) == len(rows) + 2 and "nan" not in table


def test_choices_see_the_validation_frames_only(index: Path) -> None:
    seen: set[str] = set()

    def predict(sample: DepthSample) -> np.ndarray:
        seen.add(sample.source)
        return np.ones((12, 16), np.float32)

    tabulate(predict, index, "validation")
    assert seen == {f"hololens_seq/{number}" for number in range(50, 60)}


def test_recorded_figures_are_found_in_the_spec(tmp_path: Path) -> None:
    figures = {"abs_rel": 0.1234, "median_abs_rel": 0.1}
    engine = write_network(tmp_path, provenance={"recipe": "tiny"})
    record_in_spec(
        engine,
        [("walk 60-79", "network", figures), ("walk 60-79", "best ramp", figures), (LEFT_OUT[0], "network", figures)],
    )
    provenance = load_spec(engine.with_suffix(".json")).provenance
    assert provenance == {"recipe": "tiny", "measured_walk_60-79": "abs_rel 0.123, median-scaled 0.100"}


def test_the_command_writes_the_table_of_an_engine(index: Path, tmp_path: Path) -> None:
    engine, out = write_network(tmp_path), tmp_path / "cards" / "card.md"
    command = ["card", "--engine", str(engine), "--index", str(index), "--out", str(out), "--record"]
    assert main(command) == 0
    records = json.loads(out.with_suffix(".json").read_text())
    assert [record["answer"] for record in records][:2] == ["network", "mean map"]
    assert f"| hololens_seq 50-59 | network | {records[0]['abs_rel']:.3f} |" in out.read_text()
    assert "measured_hololens_seq_50-59" in load_spec(engine.with_suffix(".json")).provenance


@pytest.mark.parametrize("name", ["card", "card.json"])
def test_a_table_is_not_written_where_the_json_would_take_its_place(index: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"--out .*/{name}: a file name that ends in .md is accepted"):
        write_card(str(write_network(tmp_path)), index, which="validation", out=tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_card_is_of_a_network_with_metres(index: Path, tmp_path: Path) -> None:
    teacher = write_checkpoint(tmp_path / "teacher.safetensors", write_shards(tmp_path / "shards"), "relu")
    with pytest.raises(ConfigError, match="disparity without a unit"):
        write_card(str(teacher), index, which="validation", out=None)
