"""MegaDepth: depth up to scale, orders of segments without depth, scenes and lists."""

from __future__ import annotations

from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError, SourceError
from tests.training.sent import sent
from training.sources.megadepth import main, open_samples

SIZE = (40, 60)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """The archive's folders: scene 0000 with a depth map and an order of segments, 0001 with one photo."""
    root = tmp_path / "phoenix" / "S6" / "zl548" / "MegaDepth_v1"
    for scene, part, name, depth in (
        ("0000", "dense0", "a_o", np.full(SIZE, 12.5)),
        ("0000", "dense1", "b_o", np.full(SIZE, 2.0)),
        ("0001", "dense0", "c_o", np.full(SIZE, 0.75)),
    ):
        folder = root / scene / part
        (folder / "imgs").mkdir(parents=True)
        (folder / "depths").mkdir()
        cv2.imwrite(str(folder / "imgs" / f"{name}.jpg"), np.full((*SIZE, 3), 50, np.uint8))
        depth[0, 0] = -1 if name == "b_o" else 0
        with h5py.File(folder / "depths" / f"{name}.h5", "w") as file:
            file["depth"] = depth
    (root / "0001" / "dense0" / "imgs" / "no_depth.jpg").write_bytes(b"")
    return tmp_path


def test_depth_is_relative_and_0_is_none(photos: Path) -> None:
    samples = sent(open_samples(photos))
    assert len(samples) == 3
    sample = samples[0]
    assert sample.source == "megadepth/0000/dense0/imgs/a_o"
    assert (sample.is_metric, sample.camera_known, sample.sky_known, sample.quantity) == (False, False, False, "depth")
    assert sample.depth_HW[1, 1] == 12.5 and np.isnan(sample.depth_HW[0, 0])


def test_an_order_of_segments_is_no_depth_and_the_list_leaves_it_out(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not open_samples(photos)[1].valid_HW.any()
    assert main([str(photos), str(tmp_path / "list.txt")]) == 0
    assert "2 photos with depth" in capsys.readouterr().out
    assert (tmp_path / "list.txt").read_text() == "0000/dense0/imgs/a_o.jpg\n0001/dense0/imgs/c_o.jpg\n"
    samples = open_samples(photos, files=str(tmp_path / "list.txt"))
    assert [samples[index].source[-3:] for index in range(len(samples))] == ["a_o", "c_o"]


def test_scenes_are_chosen_by_name(photos: Path) -> None:
    root = photos / "phoenix" / "S6" / "zl548" / "MegaDepth_v1"
    assert [open_samples(root, scenes="0001")[0].depth_HW[1, 1]] == [0.75]
    with pytest.raises(ConfigError, match="scenes '0002'"):
        open_samples(root, scenes="0002")


def test_wrong_layouts_and_sizes_are_named(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"<scene>/dense0/imgs/\*\.jpg"):
        open_samples(tmp_path / "empty")
    with pytest.raises(SourceError, match="no such folder"):
        open_samples(tmp_path / "absent")
    image = photos / "phoenix/S6/zl548/MegaDepth_v1/0000/dense0/imgs/a_o.jpg"
    cv2.imwrite(str(image), np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(SourceError, match="differ in size"):
        open_samples(photos)[0]
    with pytest.raises(SystemExit) as raised:
        main([str(tmp_path / "absent"), str(tmp_path / "list.txt")])
    assert raised.value.code == 2 and not (tmp_path / "list.txt").exists()
