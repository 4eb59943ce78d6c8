"""The published slices of real weights, where they are at hand: DEPTH_ANYTHING_WEIGHTS names the folder they lie in.

It holds "-hf" folders by the last part of their hub ids, and official files by their own names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from depth_anything_ros.models import get_model
from depth_anything_ros.networks.checkpoint import load_known
from depth_anything_ros.preprocess import network_size, resize_to_network
from tests.networks.official_model import normalised

VARIABLE = "DEPTH_ANYTHING_WEIGHTS"
EXPECTED = {
    "v1-small": "LiheYoung/depth-anything-small-hf (V1 small, relative)",
    "v2-metric-indoor-small": "depth-anything/depth-anything-V2-metric-indoor-small-hf (metres)",
}
TOLERANCE = 0.01
"""Relative; the slices were made with another library's resizing. Other layers or another head are far off."""
OWN_RESIZING = 0.03


def weights_of(name: str) -> list[Path]:
    """What lies in the folder of that checkpoint: its "-hf" folder, its official file."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return []
    model = get_model(name)
    wanted = {str(model.transformers_id).rpartition("/")[2].lower(), model.hub_file.lower()}
    return sorted(path for path in Path(folder).iterdir() if path.name.lower() in wanted)


@pytest.mark.parametrize("name", EXPECTED)
def test_real_weights_give_the_published_slice(name: str, shared_data: Path) -> None:
    found = weights_of(name)
    if not found:
        pytest.skip(f"no weights of {name}: set {VARIABLE} to a folder that holds them")
    folder = shared_data / "hf_expected"
    expected = np.array(json.loads((folder / "expected.json").read_text())[EXPECTED[name]]["values"])
    camera = cv2.cvtColor(cv2.imread(str(folder / "000000039769.png")), cv2.COLOR_BGR2RGB)
    model = get_model(name)
    size = network_size(camera.shape[1], camera.shape[0], model.resize)
    assert size == (518, 686)
    pixels = torch.from_numpy(camera)[None].permute(0, 3, 1, 2).float()
    # Pillow's bicubic, which the slices were made with, is the kernel that PyTorch uses with antialias.
    pixels = F.interpolate(pixels, size=size, mode="bicubic", antialias=True).round().clamp(0, 255).byte()
    for path in found:
        network, _, _ = load_known(path, model)
        with torch.inference_mode():
            depth = network.head.activate(network.logits_of_pixels(normalised(pixels.permute(0, 2, 3, 1))))[0]
            own = network(torch.from_numpy(resize_to_network(camera, size))[None])[0]
        np.testing.assert_allclose(depth[0, :3, :3], expected, rtol=TOLERANCE)
        # The node resizes with OpenCV's sharper kernel, which must matter little.
        assert float((own - depth).abs().mean() / depth.mean()) < OWN_RESIZING
