"""Every output head: what its values mean, that it exports, and that fp16 only rounds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from depth_anything_ros.errors import ConfigError, SpecError
from depth_anything_ros.networks import DepthNetwork, NetworkConfig, build_network
from depth_anything_ros.networks.export import export_onnx, output_names
from depth_anything_ros.networks.heads import MAX_ABS_LOGIT
from depth_anything_ros.networks.weights import load_weights, save_weights
from tests.training.tiny_training import TINY_NETWORK

HEADS = {"log_depth": 0.0, "relu": 0.0, "sigmoid": 20.0, "exp": 0.0}


def network_with(head: str, **changes: object) -> DepthNetwork:
    values = {**TINY_NETWORK, "head": head, "max_depth_m": HEADS[head], **changes}
    network = build_network(NetworkConfig.from_dict(values), seed=3).eval()
    with torch.no_grad():  # logits of a useful spread
        network.head.depth.weight.mul_(4.0)
        network.head.depth.bias.fill_(0.4)
    return network


def image(size_hw: tuple[int, int] = (42, 70)) -> torch.Tensor:
    return torch.randint(0, 256, (2, *size_hw, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("head", HEADS)
def test_what_a_value_means(head: str) -> None:
    network = network_with(head)
    with torch.inference_mode():
        logits, outputs = network.logits(image()), network(image())
    value = logits[0]
    expected = {
        "log_depth": value.exp(),
        "exp": value.exp(),
        "relu": value.clamp(min=0.0),
        "sigmoid": 20.0 / (1.0 + (-value).exp()),
    }[head]
    torch.testing.assert_close(outputs[0], expected)
    assert len(logits) == len(outputs) == len(output_names(network)) == 1 + network.config.has_sky
    if head == "log_depth":
        torch.testing.assert_close(outputs[1], torch.sigmoid(logits[1]))
    if head == "exp":
        torch.testing.assert_close(outputs[1], logits[1].clamp(min=0.0))


def test_an_exponential_stays_finite() -> None:
    network = network_with("exp")
    with torch.no_grad():
        network.head.depth.bias.fill_(1000.0)
    with torch.inference_mode():
        assert float(network(image())[0].max()) == pytest.approx(np.exp(MAX_ABS_LOGIT))


@pytest.mark.parametrize("rule", ["size", "offset"])
@pytest.mark.parametrize("head", HEADS)
def test_a_head_exports_at_free_sizes(head: str, rule: str, tmp_path: Path) -> None:
    network = network_with(head, position_rule=rule)
    assert export_onnx(network, tmp_path / "head.onnx") < 1e-4
    session = onnxruntime.InferenceSession(str(tmp_path / "head.onnx"), providers=["CPUExecutionProvider"])
    assert tuple(output.name for output in session.get_outputs()) == output_names(network)
    # The last one is the learned grid itself.
    for size in ((28, 28), (14, 70), (56, 56)):
        found = session.run(None, {"image": image(size).numpy()})
        with torch.inference_mode():
            for got, wanted in zip(found, network(image(size)), strict=True):
                np.testing.assert_allclose(got, wanted.numpy(), rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_half_precision_only_rounds(head: str) -> None:
    network = network_with(head)
    with torch.inference_mode():
        expected = network(image())
        half = network.half_()
        found = half(image())
    assert half.backbone.layernorm.weight.dtype == torch.float16
    assert half.mean.dtype == half.head.depth.weight.dtype == torch.float32
    torch.testing.assert_close(half.mean.flatten(), 255.0 * torch.tensor([0.485, 0.456, 0.406]))
    for got, wanted in zip(found, expected, strict=True):
        assert got.dtype == torch.float32
        assert 0 < float((got - wanted).abs().mean() / wanted.abs().mean()) < 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": "tanh"}, "head 'tanh': log_depth, relu, sigmoid, exp"),
        ({"position_rule": "nearest"}, "position_rule 'nearest': size, offset"),
        ({"head": "sigmoid"}, "max_depth_m 0.0: a positive number"),
        ({"head": "relu", "max_depth_m": 20.0}, "max_depth_m 20.0: 0 is accepted"),
    ],
)
def test_a_wrong_head_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NetworkConfig.from_dict({**TINY_NETWORK, **change})


def test_weights_travel_with_their_configuration(tmp_path: Path) -> None:
    network = network_with("exp", position_rule="offset")
    save_weights(network, tmp_path / "weights.safetensors")
    loaded = load_weights(tmp_path / "weights.safetensors")
    assert loaded.config == network.config
    assert not loaded.training
    with torch.inference_mode():
        for got, wanted in zip(loaded(image()), network(image()), strict=True):
            torch.testing.assert_close(got, wanted, rtol=0, atol=0)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


def test_weights_in_half_the_file_are_those_rounded_to_fp16(tmp_path: Path) -> None:
    network = network_with("exp")
    for half in (False, True):
        save_weights(network, tmp_path / f"{half}.safetensors", half_weights=half)
    loaded, state = load_weights(tmp_path / "True.safetensors"), network.state_dict()
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, state[name].half().float()), name
    sizes = [(tmp_path / f"{half}.safetensors").stat().st_size for half in (True, False)]
    assert sizes[1] - sizes[0] == pytest.approx(2 * sum(value.numel() for value in state.values()), rel=0.02)


def test_other_files_are_no_weights(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    network = network_with("relu")
    good = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(good, tmp_path / "bare.safetensors")
    save_file(good, tmp_path / "no_network.safetensors", {"format_version": "1"})
    save_file(good, tmp_path / "newer.safetensors", {"format_version": "2", "network": "{}"})
    (tmp_path / "cut.safetensors").write_bytes(b"\x00\x01")
    other = network_with("exp").config.to_dict()
    save_file(good, tmp_path / "other.safetensors", {"format_version": "1", "network": str(other).replace("'", '"')})
    for name, message in {
        "bare": "format None", "no_network": "not the weights of a network", "newer": "format '2'",
        "cut": "not a readable", "other": "lacks 4 weights, such as head.sky.weight",
    }.items():  # fmt: skip
        with pytest.raises(SpecError, match=message):
            load_weights(tmp_path / f"{name}.safetensors")


@pytest.mark.parametrize("head", HEADS)
def test_autocast_leaves_the_last_product_in_fp32(head: str) -> None:
    """With a mean of 1 and little around it, as a ReLU head begins, bf16 itself would leave a few values alone."""
    network = network_with(head)
    with torch.no_grad():
        network.head.depth.weight.mul_(0.01)
        network.head.depth.bias.fill_(1.0)
        exact = network.logits(image())[0]
        with torch.autocast("cpu", torch.bfloat16):
            found = network.logits(image())[0]
    assert found.dtype == torch.float32
    spread = (exact - exact.mean()).abs().mean()
    assert (found - exact - (found - exact).mean()).abs().mean() < 0.1 * spread < 0.001
