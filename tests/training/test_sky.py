"""Sky from masks and from a segmenter: where it goes, what it leaves alone, what is written, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ConfigError, OutputError, SourceError
from tests.training.sent import sent
from tests.training.sources.hrwsi_files import write_hrwsi
from training.samples import DepthSample
from training.sky import SkySegmenter, mark_sky, with_sky
from training.sources import open_source

SIZE = (48, 64)


def sample(**changes: Any) -> DepthSample:
    """Upper half without depth, blue; lower half at 3 m, dark."""
    image = np.full((*SIZE, 3), (10, 10, 10), np.uint8)
    image[:24] = (40, 90, 250)
    depth = np.full(SIZE, 3.0, np.float32)
    depth[:24] = np.nan
    values = {
        "image_HW3": image, "depth_HW": depth, "camera": CameraModel.with_assumed_fov(SIZE[1], SIZE[0]),
        "source": "made/frame", "sky_known": False, **changes,
    }  # fmt: skip
    return DepthSample(**values)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SegFormer on disk; its last layer is set so that class ``sky`` wins where the image is blue."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(0)
    config = SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], sr_ratios=[8, 4], hidden_sizes=[8, 16], decoder_hidden_size=16,
        patch_sizes=[7, 3], strides=[4, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2],
        id2label={0: "wall", 1: "skyscraper", 2: "sky"}, label2id={"wall": 0, "skyscraper": 1, "sky": 2},
    )  # fmt: skip
    network = SegformerForSemanticSegmentation(config).eval()
    fit_to_blue(network)
    folder = tmp_path_factory.mktemp("segformer")
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 64, "width": 64}}))
    return folder


def fit_to_blue(network: Any) -> None:
    """Set the last, linear layer by least squares on one half-blue image: +1 for sky where it is blue, -1 elsewhere."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    labels = torch.zeros((64, 64), dtype=torch.long)
    labels[:32] = 1
    pixels = ((torch.tensor([[10, 10, 10], [40, 90, 250]])[labels] / 255 - mean) / std).permute(2, 0, 1)[None]
    seen: list[torch.Tensor] = []
    last = network.decode_head.classifier
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0]))
    with torch.no_grad():
        network(pixel_values=pixels)
        hook.remove()
        channels, height, width = seen[0].shape
        features = torch.cat([seen[0].reshape(channels, -1).T, torch.ones((height * width, 1))], dim=1)
        target = labels[:: 64 // height, :: 64 // width].reshape(-1, 1).float() * 2 - 1
        solution = torch.linalg.lstsq(features, target).solution[:, 0]
        last.weight.zero_()
        last.bias.zero_()
        last.weight[2, :, 0, 0], last.bias[2] = solution[:-1], solution[-1]


def test_sky_takes_what_has_no_label_of_its_own() -> None:
    everywhere = np.ones(SIZE, bool)
    marked = mark_sky(sample(), everywhere)
    assert marked.sky_HW is not None and marked.sky_HW[:24].all() and not marked.sky_HW[24:].any()
    assert (marked.disparity_HW[:24] == 0).all() and (marked.depth_HW[24:] == 3).all()
    untouched = mark_sky(sample(), np.zeros(SIZE, bool))
    assert untouched.sky_HW is not None and not untouched.sky_HW.any() and np.isnan(untouched.depth_HW[:24]).all()


def test_sky_of_a_disparity_is_the_least_of_its_image() -> None:
    values = np.full(SIZE, 5.0, np.float32)
    values[:24], values[30] = np.nan, 2.0
    sky = np.zeros(SIZE, bool)
    sky[:10] = True
    relative = {"is_metric": False, "camera_known": False, "quantity": "disparity"}
    marked = mark_sky(sample(depth_HW=values, **relative), sky)
    assert (marked.disparity_HW[:10] == 2).all() and np.isnan(marked.disparity_HW[10:24]).all()
    assert marked.sky_HW is None
    empty = mark_sky(sample(depth_HW=np.full(SIZE, np.nan, np.float32), **relative), sky)
    assert not empty.valid_HW.any()


def test_the_segmenter_finds_the_blue_half_at_the_images_own_size(weights: Path) -> None:
    segmenter = sent(SkySegmenter(weights))
    assert segmenter.classes == [2] and segmenter.size == (64, 64)
    sky = segmenter(sample().image_HW3)
    assert sky.shape == SIZE and sky.dtype == bool
    assert sky[:20].mean() > 0.95 and sky[28:].mean() < 0.05


def test_masks_are_written_once_and_read_ever_after(weights: Path, tmp_path: Path) -> None:
    first = with_sky([sample()], str(weights), str(tmp_path / "masks"))[0]  # type: ignore[arg-type]
    file = tmp_path / "masks" / "made" / "frame.png"
    assert [entry.name for entry in file.parent.iterdir()] == ["frame.png"]
    assert first.sky_HW is not None and first.sky_HW[:20].mean() > 0.95
    cv2.imwrite(str(file), np.zeros(SIZE, np.uint8))
    for sky in (str(weights), ""):
        again = with_sky([sample()], sky, str(tmp_path / "masks"))[0]  # type: ignore[arg-type]
        assert again.sky_HW is not None and not again.sky_HW.any()


def test_a_sample_that_knows_its_sky_is_left_alone(tmp_path: Path) -> None:
    known = sample(sky_known=True)
    assert with_sky([known], sky_masks=str(tmp_path))[0] is known  # type: ignore[arg-type]


def test_any_source_of_a_recipe_takes_them(tmp_path: Path) -> None:
    images = write_hrwsi(tmp_path / "hrwsi")
    (tmp_path / "sky" / "hrwsi" / "train").mkdir(parents=True)
    sky = np.zeros((30, 20), np.uint8)
    sky[0] = 255
    cv2.imwrite(str(tmp_path / "sky" / "hrwsi" / "train" / "b.png"), sky)
    plain, marked = (
        open_source("hrwsi", str(images), options)[0] for options in ({}, {"sky_masks": str(tmp_path / "sky")})
    )
    assert np.isnan(plain.disparity_HW[:, 5]).all()
    assert marked.disparity_HW[0, 5] == 0 and np.isnan(marked.disparity_HW[1:, 5]).all()


def test_what_is_no_segmenter_is_named(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither sky"):
        with_sky([sample()])  # type: ignore[arg-type]
    with pytest.raises(SourceError, match=r"config\.json: no such file"):
        with_sky([sample()], str(tmp_path))  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="no such folder of sky masks"):
        with_sky([sample()], sky_masks=str(tmp_path / "absent"))  # type: ignore[arg-type]
    with pytest.raises(SourceError, match=r"frame\.png: no such mask, and no segmenter"):
        with_sky([sample()], sky_masks=str(tmp_path))[0]  # type: ignore[arg-type]
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "wall", "1": "skyscraper"}}))
    with pytest.raises(SourceError, match="none of its 2 classes"):
        SkySegmenter(tmp_path)
    (tmp_path / "config.json").write_text((weights / "config.json").read_text())
    with pytest.raises(SourceError, match=r"no model\.safetensors"):
        SkySegmenter(tmp_path)
    from safetensors.torch import load_file, save_file

    tensors = load_file(weights / "model.safetensors")
    del tensors["decode_head.classifier.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(SourceError, match=r"lacks decode_head\.classifier\.weight"):
        SkySegmenter(tmp_path)(sample().image_HW3)
    (tmp_path / "model.safetensors").write_bytes((weights / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(SourceError, match="no segmenter"):
        SkySegmenter(tmp_path)(sample().image_HW3)


def test_masks_of_another_size_and_folders_that_cannot_be_written_are_named(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    cv2.imwrite(str(tmp_path / "made" / "frame.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(SourceError, match=r"\(4, 4\); the size of made/frame"):
        with_sky([sample()], sky_masks=str(tmp_path))[0]  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        with_sky([sample()], str(weights), str(tmp_path / "file"))[0]  # type: ignore[arg-type]
