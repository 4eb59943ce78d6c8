"""The overhead benchmark, quickly: all ways give the same wall, the arithmetic is right, the tables come out.

The timing itself is run by a person; what is timed must be the same work on both sides.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel

SIZE = (56, 42)


@pytest.fixture
def bench(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark with one small camera, so that a frame takes no time; the network's size stays."""
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    for name in ("overhead", "frames", "peer_way", "engines"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as the benchmark sets it; given back after the test
    module = importlib.import_module("overhead")
    monkeypatch.setattr(module, "TARGETS_MS", {SIZE: 2.0})
    monkeypatch.setitem(module.NETWORK_HW, SIZE, (392, 518))
    return module


def points(message: object) -> np.ndarray:
    return np.frombuffer(message.data, np.float32).reshape(-1, 4)  # type: ignore[attr-defined]


def test_all_ways_make_the_same_depth_and_cloud_of_a_wall(bench: ModuleType) -> None:
    camera = CameraModel.with_assumed_fov(*SIZE)
    wall_hw = np.full((392, 518), 2.0, np.float32)
    image_HW3 = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    msg = bench.image_message(image_HW3)
    network = bench.PreparedNetwork(wall_hw / camera.scaled_to(width=518, height=392).focal_px * 500.0)
    results = {
        "ours": bench.OurWay(camera, network).run(msg),
        "peer": bench.PeerWay(camera, (392, 518), 40.0).run(msg, wall_hw),
        "numpy": bench.NumpyWay(camera, (392, 518), 40.0).run(msg, wall_hw),
    }
    for name, (depth_msg, info_msg, cloud_msg) in results.items():
        np.testing.assert_allclose(np.frombuffer(depth_msg.data, np.float32), 2.0, rtol=1e-5, err_msg=name)
        assert info_msg.k[0] == camera.fx
        np.testing.assert_allclose(points(cloud_msg)[:, :3], points(results["ours"][2])[:, :3], atol=1e-5)
        np.testing.assert_array_equal(points(cloud_msg)[:, 3], points(results["ours"][2])[:, 3])
    colours = points(results["ours"][2])[:, 3].copy().view(np.uint32)
    assert colours[0] == int.from_bytes(image_HW3[0, 0].tobytes(), "big")


def test_a_prepared_answer_is_fresh_for_every_frame(bench: ModuleType) -> None:
    """The package changes the network's answer in place; the next frame must not see that."""
    network = bench.PreparedNetwork(bench.make_scene(SIZE)[1])
    first = network.prepare()
    kept = first.copy()
    first.fill(np.nan)
    np.testing.assert_array_equal(network.prepare(), kept)


def test_the_ratio_is_the_median_of_the_rounds(bench: ModuleType) -> None:
    """Rounds of 2, 1 and 5 times ours: median 2; the medians alone would give 300 / 100."""
    row = bench.make_row("a", [9.0, 7.0, 8.0], [200.0, 300.0, 500.0], [100.0, 300.0, 100.0])
    assert (row.wall_ms, row.cpu_ms, row.best_ms, row.ratio) == (8.0, 300.0, 7.0, 2.0)


@pytest.mark.parametrize(("ours_ms", "ratio", "met"), [(2.0, 5.0, [True, True]), (2.01, 4.99, [False, False])])
def test_targets_are_held_against_the_cpu_time(
    bench: ModuleType, ours_ms: float, ratio: float, met: list[bool]
) -> None:
    rows = [bench.Row(bench.OURS, 90.0, ours_ms, 1.0, 1.0), bench.Row(bench.PEERS, 1.0, 1.0, 1.0, ratio)]
    assert list(bench.verdicts(SIZE, rows).values()) == met


def test_bytes_are_checked_one_by_one_as_a_message_field_does(bench: ModuleType) -> None:
    assert bench.assign_bytes(b"\x00\xff").tolist() == [0, 255]
    with pytest.raises(ValueError, match="not bytes"):
        bench.assign_bytes([256])


def test_the_tables_are_printed_and_written(
    bench: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tables.json"
    assert bench.main(["--rounds", "1", "--frames", "1", "--json", str(path)]) in (0, 1)
    output = capsys.readouterr().out
    table = json.loads(path.read_text())["tables"]["56x42"]
    variants = [row["variant"] for row in table["rows"]]
    assert {bench.OURS, bench.PEERS, bench.NUMPY, bench.BYTES, "ours, rectified", "ours, JPEG"} <= set(variants)
    assert all(row["cpu_ms"] > 0 and row["wall_ms"] > 0 for row in table["rows"])
    assert all(f"| {variant} |" in output for variant in variants)
    assert {"decode", "resize", "filter", "upsample", "depth message", "cloud"} <= set(table["stages_ms"])


def test_no_rounds_are_refused(bench: ModuleType) -> None:
    with pytest.raises(SystemExit) as error:
        bench.main(["--rounds", "0"])
    assert error.value.code == 2
