from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.errors import SourceError
from training.sources.shards import open_samples
from training.sources.synthetic import __main__ as command
from training.sources.synthetic import render_sample
from training.sources.synthetic.__main__ import main
from training.sources.synthetic.shards import ShardPlan, sha256_of, shard_is_complete, write_shards

SIZE = {"width": 24, "height": 16}


def plan_in(folder: Path, count: int = 5) -> ShardPlan:
    return ShardPlan(folder, 1000, count, 2, **SIZE)


def test_shards_hold_what_the_renderer_makes(tmp_path: Path) -> None:
    index = write_shards(plan_in(tmp_path), progress=False)
    content = json.loads(index.read_text())
    assert [item["views"] for item in content["shards"]] == [2, 2, 1]
    assert content["shards"][1]["sha256"] == sha256_of(tmp_path / "shard_00001.npz")
    with np.load(tmp_path / "shard_00001.npz") as data:
        view = render_sample(1002, **SIZE)
        assert data["seeds"].tolist() == [1002, 1003] and data["kinds"][0] == view.kind
        np.testing.assert_array_equal(data["images"][0], view.image_HW3)
        np.testing.assert_array_equal(data["depths"][0], view.depth_HW.astype(np.float16))
        np.testing.assert_allclose(data["intrinsics"][0], [view.fx, view.fy, view.cx, view.cy], rtol=1e-6)


def test_complete_shards_are_kept_and_damaged_ones_made_anew(tmp_path: Path) -> None:
    write_shards(plan_in(tmp_path), progress=False)
    kept, cut, lost = (tmp_path / f"shard_0000{i}.npz" for i in range(3))
    before, whole = kept.stat().st_mtime_ns, cut.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    lost.unlink()
    write_shards(plan_in(tmp_path), progress=False)
    assert kept.stat().st_mtime_ns == before
    assert shard_is_complete(cut, [1002, 1003], 24, 16)
    assert shard_is_complete(lost, [1004], 24, 16)


def test_shard_of_other_seeds_or_size_is_not_complete(tmp_path: Path) -> None:
    write_shards(plan_in(tmp_path, 2), progress=False)
    path = tmp_path / "shard_00000.npz"
    assert shard_is_complete(path, [1000, 1001], 24, 16)
    assert not shard_is_complete(path, [1000, 1002], 24, 16)
    assert not shard_is_complete(path, [1000, 1001], 24, 18)
    assert not shard_is_complete(tmp_path / "absent.npz", [1000], 24, 16)


def test_interruption_leaves_no_index_and_no_half_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shards(plan_in(tmp_path, 2), progress=False)

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.sources.synthetic.shards.render_sample", fail)
    with pytest.raises(KeyboardInterrupt):
        write_shards(plan_in(tmp_path, 4), progress=False)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["shard_00000.npz"]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"shards": []}', '{"shards": [{"name": "gone.npz"}]}', '{"shards": [{"name": "cut.npz"}]}']
)
def test_a_folder_of_something_else_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text)
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(SourceError, match="not a complete set of rendered shards") as error:
        open_samples(tmp_path)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_reserved_seeds_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="start seed 7 is reserved"):
        ShardPlan(tmp_path, 7, 10)
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), "--start-seed", "999"])
    assert "start seed 999 is reserved" in capsys.readouterr().err


def test_command_writes_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--out", str(tmp_path / "a"), "--count", "1", "--width", "24", "--height", "16"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.strip().endswith("index.json")
    assert shard_is_complete(tmp_path / "a" / "shard_00000.npz", [1000], 24, 16)


def test_a_folder_that_cannot_be_written_and_an_interruption_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    arguments = ["--out", str(tmp_path / "file"), "--count", "1"]
    assert main(arguments) == 2
    assert (
        capsys.readouterr().err == f"training.sources.synthetic: error: cannot write {tmp_path / 'file'}: File exists\n"
    )

    def interrupted(plan: ShardPlan, *, workers: int) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "write_shards", interrupted)
    assert main(arguments) == 130
    assert capsys.readouterr().err == "training.sources.synthetic: interrupted; the same command continues\n"
