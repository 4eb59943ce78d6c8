"""The benchmark of the live node: it runs in the world that is there, and its arithmetic is right.

The timing itself is run by a person, on a machine that does nothing else.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.embedded.domains import unused_domain
from tests.worlds import require_world

require_world()
MODULES = ("node", "node_driver", "node_peer", "engines", "frames", "peer_way")


@pytest.fixture
def bench(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark as a module; nothing is started."""
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in ("OMP_NUM_THREADS", "ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE"):
        monkeypatch.setenv(name, "1" if name != "ROS_AUTOMATIC_DISCOVERY_RANGE" else "LOCALHOST")
    return importlib.import_module("node")


def test_a_quick_run_fills_every_table(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(unused_domain()))
    path = tmp_path / "node.json"
    command = [sys.executable, str(repository / "benchmarks" / "node.py"), "--quick", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode in (0, 1), done.stderr  # 1: an aim is missed, as on a machine that does other things too
    result = json.loads(path.read_text())
    assert result["setting"]["world"] in ("rclpy", "embedded") and result["setting"]["CPU"]
    table = result["tables"]["640x480"]
    assert (table["cloud"], table["stride"]) == ("320x240", 2)
    assert {row["row"] for row in table["rows"]} >= {
        f"{who}: {what}" for who in ("ours", "bare hops", "usual") for what in ("depth", "cloud")
    }
    for row in table["rows"]:
        assert 0.0 < row["p50"] <= row["p99"] and row["lost"] < 5
        assert f"| {row['row']} | {row['p50']:.2f} |" in done.stdout
    assert 0.0 <= result["cpu_percent"]["idle"] < result["cpu_percent"]["at work"]
    assert "320x240 of 16 bytes a point (stride 2)" in done.stdout


def test_the_engine_is_taken_out_of_ours_and_lost_images_are_counted(bench: ModuleType) -> None:
    samples = {
        "ours: depth": [[5.0, None, 7.0], [9.0, 9.0, 9.0], [5.0, 5.0, 5.0]],
        "bare hops: depth": [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [4.0, 4.0, 4.0]],
        "ours: cloud": [[3.0], [3.0], [3.0]],
        "bare hops: cloud": [[1.0], [1.0], [2.0]],
    }
    made = bench.summary(samples, engine_ms=1.0)
    rows = {row["row"]: row for row in made["rows"]}
    assert (rows["ours: depth"]["p50"], rows["ours: depth"]["lost"]) == (5.0, 1)
    assert rows["bare hops: depth"]["p50"] == 2.0
    # Per round: (6 - 1) / 1, (9 - 1) / 2, (5 - 1) / 4; and (3 - 1) / 1, 2 / 1, 2 / 2.
    assert made["times_bare_hops"] == {"depth": 4.0, "cloud": 2.0}


@pytest.mark.parametrize(
    ("depth_ms", "cloud_ms", "idle", "start_s", "met"),
    [(6.0, 5.6, 2.9, 2.9, [True] * 4), (6.01, 5.61, 3.0, 3.0, [False] * 4)],
)
def test_aims_are_held_against_the_medians(
    bench: ModuleType, depth_ms: float, cloud_ms: float, idle: float, start_s: float, met: list[bool]
) -> None:
    p50 = {"ours: depth": depth_ms, "ours: cloud": cloud_ms, "bare hops: cloud": 2.0}
    tables = {"640x480": {"rows": [{"row": row, "p50": value} for row, value in p50.items()]}}
    assert list(bench.verdicts(tables, {"idle": idle}, [9.0, start_s, 0.0]).values()) == met


def test_prepared_messages_are_of_the_size_that_they_say(bench: ModuleType) -> None:
    peer = importlib.import_module("node_peer")
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    cloud = store.deserialize_cdr(peer.serialised("PointCloud2", (320, 240), 16), "sensor_msgs/msg/PointCloud2")
    assert (cloud.width, cloud.height, cloud.row_step, cloud.data.size) == (320, 240, 5120, 5120 * 240)
    image = store.deserialize_cdr(peer.serialised("Image", (64, 48), 16), "sensor_msgs/msg/Image")
    assert (image.encoding, image.data.size) == ("32FC1", 4 * 64 * 48)


@pytest.mark.parametrize("option", ["--rounds", "--frames"])
def test_nothing_to_time_is_refused(bench: ModuleType, option: str) -> None:
    with pytest.raises(SystemExit) as error:
        bench.main([option, "0"])
    assert error.value.code == 2
