"""Generic folders and manifests: pairs, formats, scales, cameras, masks, sky, and errors that name the frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ImageError, SourceError
from tests.training.sent import sent
from tests.training.sources.exr_files import write_exr
from training.sources import open_source
from training.sources.folder import open_samples

SIZE = (24, 32)


def picture(file: Path, value: int = 50) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), np.full((*SIZE, 3), value, np.uint8))
    return file.name


def manifest(folder: Path, *rows: dict[str, Any]) -> Path:
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_pairs_of_the_same_name_with_the_scale_of_the_type(tmp_path: Path) -> None:
    for name in ("b", "room/a", "no_depth"):
        picture(tmp_path / "images" / f"{name}.png")
    millimetres = np.full(SIZE, 1500, np.uint16)
    millimetres[0, 0] = 0
    (tmp_path / "depth" / "room").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "depth" / "b.png"), millimetres)
    metres = np.full(SIZE, 2.5)
    metres[0, :3] = (np.nan, -1, np.inf)
    np.save(tmp_path / "depth" / "room" / "a.npy", metres)
    samples = sent(open_samples(tmp_path, fx=30))
    assert [samples[index].source for index in range(len(samples))] == [
        f"{tmp_path.name}/images/b", f"{tmp_path.name}/images/room/a",
    ]  # fmt: skip
    assert samples[0].depth_HW[1, 1] == pytest.approx(1.5) and np.isnan(samples[0].depth_HW[0, 0])
    assert samples[1].depth_HW[1, 1] == 2.5
    assert np.isnan(samples[1].depth_HW[0, :2]).all() and np.isposinf(samples[1].depth_HW[0, 2])
    camera = samples[0].camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (30, 30, 15.5, 11.5)
    assert samples[0].is_metric and not samples[0].sky_known


@pytest.mark.parametrize("suffix", [".pfm", ".exr", ".tiff", ".npy"])
def test_float_formats(tmp_path: Path, suffix: str) -> None:
    depth = np.linspace(1, 9, SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE)
    if suffix == ".npy":
        np.save(tmp_path / "d.npy", depth)
    elif suffix == ".exr":
        write_exr(tmp_path / "d.exr", {"Y": depth})
    else:
        cv2.imwrite(str(tmp_path / f"d{suffix}"), depth)
    row = {"image": picture(tmp_path / "i.png"), "depth": f"d{suffix}", "depth_scale": 2, "hfov_deg": 90}
    sample = open_samples(manifest(tmp_path, row))[0]
    np.testing.assert_allclose(sample.depth_HW, 2 * depth, rtol=1e-6)
    assert sample.is_metric and sample.camera.hfov_deg == pytest.approx(90)


def test_rows_stand_over_options_and_csv_equals_jsonl(tmp_path: Path) -> None:
    image = picture(tmp_path / "i.png")
    cv2.imwrite(str(tmp_path / "d.png"), np.full(SIZE, 512, np.uint16))
    K = [30, 0, 15, 0, 31, 11, 0, 0, 1]
    manifest(tmp_path, {"image": image, "depth": "d.png", "depth_scale": 1 / 256, "K": K})
    (tmp_path / "other.csv").write_text(
        "image,depth,depth_scale,K,metric\n"
        'i.png,d.png,0.00390625,"30 0 15 0 31 11 0 0 1",\n'
        "i.png,d.png,,,false\n"
    )  # fmt: skip
    from_json = open_samples(tmp_path, depth_scale=5)[0]
    from_csv = open_samples(tmp_path / "other.csv", depth_scale=5)
    for sample in (from_json, from_csv[0]):
        assert sample.depth_HW[0, 0] == 2 and sample.is_metric
        assert (sample.camera.fx, sample.camera.fy, sample.camera.cx, sample.camera.cy) == (30, 31, 15, 11)
    assert from_csv[1].depth_HW[0, 0] == 2560 and (from_csv[1].is_metric, from_csv[1].camera_known) == (False, False)


def test_a_rows_camera_takes_the_place_of_the_options(tmp_path: Path) -> None:
    """Given as a field of view, it was silently passed over where the options had fx."""
    np.save(tmp_path / "d.npy", np.ones(SIZE, np.float32))
    row = {"image": picture(tmp_path / "i.png"), "depth": "d.npy"}
    wide = open_samples(manifest(tmp_path, {**row, "hfov_deg": 90}), fx=30.0, cx=1.0)[0].camera
    assert wide.hfov_deg == pytest.approx(90) and wide.cx == (SIZE[1] - 1) / 2
    assert open_samples(manifest(tmp_path, {**row, "fx": 30}), hfov_deg=90.0)[0].camera.fx == 30
    with pytest.raises(SourceError, match="hfov_deg 90 beside fx 30; one of the two is accepted"):
        open_samples(manifest(tmp_path, row), hfov_deg=90.0, fx=30.0)


def test_masks_and_the_three_ways_to_say_sky(tmp_path: Path) -> None:
    image = picture(tmp_path / "i.png")
    depth = np.full(SIZE, 1000, np.uint16)
    depth[0], depth[1] = 0, 60000
    cv2.imwrite(str(tmp_path / "d.png"), depth)
    for name, row in (("mask.png", 5), ("sky.png", 0)):
        values = np.full(SIZE, 255 if name == "mask.png" else 0, np.uint8)
        values[row] = 255 - values[row]
        cv2.imwrite(str(tmp_path / name), values)
    base = {"image": image, "depth": "d.png", "hfov_deg": 60}
    rows = [base, {**base, "mask": "mask.png"}, {**base, "sky_mask": "sky.png"}, {**base, "sky_from_m": 60}]
    plain, masked, sky, far = (open_samples(manifest(tmp_path, *rows))[index] for index in range(4))
    assert plain.sky_HW is None and np.isnan(plain.depth_HW[0]).all()
    assert np.isnan(masked.depth_HW[5]).all() and (masked.depth_HW[6] == 1).all()
    assert sky.sky_HW is not None and sky.sky_HW[0].all() and int(sky.sky_HW.sum()) == SIZE[1]
    assert far.sky_HW is not None and far.sky_HW[1].all() and int(far.sky_HW.sum()) == SIZE[1]


def test_disparity_is_not_scaled_and_its_0_may_be_a_value(tmp_path: Path) -> None:
    image = picture(tmp_path / "i.png")
    values = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE)
    cv2.imwrite(str(tmp_path / "d.png"), values)
    row = {"image": image, "depth": "d.png", "quantity": "disparity", "hfov_deg": 60}
    hole, whole = (open_samples(manifest(tmp_path, {**row, "invalid": value}))[0] for value in (0, -1))
    assert np.isnan(hole.disparity_HW[0, 0]) and whole.disparity_HW[0, 0] == 0
    assert hole.disparity_HW[1, 1] == values[1, 1] and not hole.is_metric


def test_a_distorted_camera_comes_out_rectified(tmp_path: Path) -> None:
    image = picture(tmp_path / "i.png")
    np.save(tmp_path / "d.npy", np.full(SIZE, 3.0, np.float32))
    row = {"image": image, "depth": "d.npy", "fx": 30, "D": [0.3, 0.1, 0, 0, 0]}
    sample = open_samples(manifest(tmp_path, row))[0]
    assert not sample.camera.is_distorted and set(sample.depth_HW[sample.valid_HW].tolist()) == {3.0}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"image": "i.png"}, "frame 2: no depth"),
        ({"image": "i.png", "depth": "d.npy", "scale": 1}, "column 'scale'; did you mean depth_scale"),
        ({"image": "i.png", "depth": "d.npy", "depth_scale": "x"}, "depth_scale 'x'; a finite number"),
        ({"image": "i.png", "depth": "d.npy", "depth_scale": -1}, "depth_scale -1"),
        ({"image": "i.png", "depth": "d.npy", "K": [1, 2]}, "K of 2 numbers"),
        ({"image": "i.png", "depth": "d.npy", "K": [0] * 9}, "must be positive"),
        ({"image": "i.png", "depth": "d.npy", "quantity": "range"}, "quantity 'range'"),
        ({"image": "i.png", "depth": "d.npy", "metric": "yes"}, "metric 'yes'"),
        ({"image": "i.png", "depth": 7}, "depth 7; a text"),
        ({"image": "i.png", "depth": "d.npy", "hfov_deg": 200}, "field of view is 200"),
        ({"image": "i.png", "depth": "d.npy", "hfov_deg": 60, "fx": 30}, "hfov_deg 60 beside fx 30; one of the two"),
    ],
)
def test_a_wrong_row_is_named_when_the_manifest_is_opened(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(SourceError, match="frame 2: ") as raised:
        open_samples(manifest(tmp_path, {"image": "i.png", "depth": "d.npy"}, row))
    assert said in f"{raised.value}" and "\n" not in f"{raised.value}"


def test_wrong_layouts_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"manifest\.jsonl or manifest\.csv, or the folders 'rgb' and 'depth'"):
        open_samples(tmp_path / "absent", images="rgb")
    with pytest.raises(SourceError, match=r"images: no such folder; images/NAME\.jpg with depth/NAME\.png"):
        open_samples(tmp_path)
    picture(tmp_path / "images" / "i.png")
    (tmp_path / "depth").mkdir()
    with pytest.raises(SourceError, match="none was found"):
        open_samples(tmp_path)
    (tmp_path / "manifest.jsonl").write_text("[1]\n")
    with pytest.raises(SourceError, match=r"frame 1: '\[1\]'; a JSON object"):
        open_samples(tmp_path)
    (tmp_path / "manifest.jsonl").write_text("\n")
    with pytest.raises(SourceError, match="no frames in it"):
        open_samples(tmp_path)
    row = {"image": "images/i.png", "depth": "d.npy"}
    np.save(tmp_path / "d.npy", np.ones((3, 4)))
    with pytest.raises(SourceError, match=r"d\.npy: \(3, 4\); the image's size \(24, 32\)"):
        open_samples(manifest(tmp_path, row))[0]
    with pytest.raises(SourceError, match=r"d\.mp4: "):
        open_samples(manifest(tmp_path, {**row, "depth": "d.mp4"}))[0]
    with pytest.raises(ImageError, match=r"absent\.png"):
        open_samples(manifest(tmp_path, {**row, "image": "absent.png"}))[0]


def test_frames_of_the_real_index_read_as_a_manifest(shared_data: Path, tmp_path: Path) -> None:
    entries = json.loads((shared_data / "index.json").read_text())["frames"]
    wanted = [entry for entry in entries if entry["dataset"] in ("ycb_xtion", "tum_fr2", "middlebury_motorcycle")]
    rows = [
        {
            "image": str(shared_data / entry["rgb"]), "depth": str(shared_data / entry["depth"]), "K": entry["K"],
            "depth_scale": entry["depth_scale_m"], "D": entry.get("D") or [],
        }
        for entry in wanted
    ]  # fmt: skip
    samples = open_source("folder", str(manifest(tmp_path, *rows)), {})
    for index, entry in enumerate(wanted):
        depth = samples[index].depth_HW[samples[index].valid_HW]
        assert float(np.median(depth)) == pytest.approx(entry["depth_median_m"], rel=0.05), entry["id"]
