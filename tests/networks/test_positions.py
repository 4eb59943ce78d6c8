"""Position embeddings: PyTorch's own bicubic interpolation is the reference, of both rules, in every runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from depth_anything_ros.networks.positions import interpolate_positions

GRID = 9
SHAPES = [(9, 9), (7, 12), (9, 10), (1, 3), (20, 5)]


def learned() -> torch.Tensor:
    return torch.randn(1, 1 + GRID * GRID, 6, generator=torch.Generator().manual_seed(1))


def by_pytorch(rows: int, columns: int, rule: str) -> torch.Tensor:
    square = learned()[:, 1:].reshape(1, GRID, GRID, -1).permute(0, 3, 1, 2)
    if rule == "size":
        square = F.interpolate(square, size=(rows, columns), mode="bicubic", align_corners=False)
    elif (rows, columns) != (GRID, GRID):
        scale = ((rows + 0.1) / GRID, (columns + 0.1) / GRID)
        square = F.interpolate(square, scale_factor=scale, mode="bicubic", align_corners=False)
    return torch.cat([learned()[:, :1], square.flatten(2).transpose(1, 2)], dim=1)


@pytest.mark.parametrize("rule", ["size", "offset"])
@pytest.mark.parametrize("shape", SHAPES)
def test_both_rules_equal_pytorchs_interpolation(shape: tuple[int, int], rule: str) -> None:
    found = interpolate_positions(learned(), GRID, *shape, rule)
    torch.testing.assert_close(found, by_pytorch(*shape, rule), rtol=0, atol=2e-5)


def test_the_own_grid_is_taken_as_it_is() -> None:
    for rule in ("size", "offset"):
        torch.testing.assert_close(interpolate_positions(learned(), GRID, GRID, GRID, rule), learned(), rtol=0, atol=0)


def test_half_precision_is_interpolated_in_fp32() -> None:
    found = interpolate_positions(learned().half(), GRID, 7, 12, "offset")
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.float(), by_pytorch(7, 12, "offset"), rtol=2e-3, atol=2e-3)


def test_autocast_changes_nothing() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = interpolate_positions(learned(), GRID, 7, 12, "size")
    assert torch.equal(found, interpolate_positions(learned(), GRID, 7, 12, "size"))


class PositionsOnly(torch.nn.Module):
    def __init__(self, rule: str) -> None:
        super().__init__()
        self.learned = torch.nn.Parameter(learned())
        self.rule = rule

    def forward(self, image_nhw: torch.Tensor) -> torch.Tensor:
        rows, columns = image_nhw.shape[1] // 14, image_nhw.shape[2] // 14
        return interpolate_positions(self.learned, GRID, rows, columns, self.rule) + 0.0 * image_nhw.mean()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rule", ["size", "offset"])
def test_openvino_folds_the_same_numbers(rule: str, tmp_path: Path) -> None:
    """It once took the absolute value of a constant for the constant: everything was right but for fixed sizes."""
    openvino = pytest.importorskip("openvino")
    path = str(tmp_path / "positions.onnx")
    torch.onnx.export(
        PositionsOnly(rule), (torch.zeros(1, 28, 42),), path, dynamo=False, opset_version=17, input_names=["image"],
        output_names=["positions"], dynamic_axes={"image": {1: "height", 2: "width"}, "positions": {1: "length"}},
    )  # fmt: skip
    core = openvino.Core()
    for rows, columns in SHAPES:
        image = np.zeros((1, rows * 14, columns * 14), np.float32)
        model = core.read_model(path)
        model.reshape({"image": list(image.shape)})
        found = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(image)[0]
        np.testing.assert_allclose(found, by_pytorch(rows, columns, rule).numpy(), rtol=0, atol=2e-5)
