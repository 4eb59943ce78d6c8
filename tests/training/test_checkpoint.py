"""Checkpoints: what was written is read, and what cannot be read is named."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.networks import DepthNetwork, NetworkConfig, build_network
from tests.training.tiny_training import TINY_NETWORK
from training.checkpoint import group, load_checkpoint, load_network, load_weights, read_meta, save_checkpoint

META: dict[str, Any] = {"stage": "teacher", "step": 3, "network": {**TINY_NETWORK, "head": "relu"}}


@pytest.fixture(scope="module")
def network() -> DepthNetwork:
    return build_network(NetworkConfig.from_dict(META["network"]), seed=3)


@pytest.fixture
def path(tmp_path: Path, network: DepthNetwork) -> Path:
    """A checkpoint whose trained weights are twice its averaged ones."""
    path = tmp_path / "last.safetensors"
    tensors = {f"ema.{key}": value for key, value in network.state_dict().items()}
    tensors |= {f"net.{key}": 2 * value for key, value in network.state_dict().items()}
    save_checkpoint(path, tensors, META)
    return path


def test_what_was_written_is_read(path: Path, network: DepthNetwork) -> None:
    tensors, meta = load_checkpoint(path)
    assert meta == read_meta(path) == {"format_version": 2, **META}
    assert group(tensors, "ema").keys() == group(tensors, "net").keys() == network.state_dict().keys()
    assert [item.name for item in path.parent.iterdir()] == ["last.safetensors"]


def test_one_group_is_read_without_the_others(path: Path, network: DepthNetwork) -> None:
    tensors, meta = load_checkpoint(path, only="net")
    assert group(tensors, "net").keys() == network.state_dict().keys() and len(tensors) == len(network.state_dict())
    assert meta == read_meta(path)


def test_the_averaged_weights_are_taken_unless_the_trained_ones_are_asked_for(
    path: Path, network: DepthNetwork
) -> None:
    for factor, (loaded, _) in ((1, load_network(path)), (2, load_network(path, "net"))):
        assert not loaded.training
        for name, value in network.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], factor * value), name


def test_a_checkpoint_is_as_readable_as_its_folder(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(path.parent.stat().st_mode) & 0o666


def test_a_checkpoint_without_the_weights_asked_for_is_named(path: Path) -> None:
    tensors, _ = load_checkpoint(path)
    save_checkpoint(path, {name: value for name, value in tensors.items() if name.startswith("ema.")}, META)
    with pytest.raises(ConfigError, match=r"last\.safetensors: weights of another network: .*Missing key"):
        load_network(path, "net")


def test_weights_of_another_network_are_refused_whole(path: Path) -> None:
    other = build_network(NetworkConfig.from_dict({**META["network"], "fusion_channels": 16}))
    with pytest.raises(ConfigError, match=r"weights of another network: .*size mismatch"):
        load_weights(other, group(load_checkpoint(path)[0], "ema"), path)


@pytest.mark.parametrize("read", [load_checkpoint, read_meta, load_network])
def test_a_file_that_is_no_checkpoint_is_named(read: Any, path: Path) -> None:
    whole = path.read_bytes()
    for kept in (0, 5, 1000, len(whole) - 1):
        path.write_bytes(whole[:kept])
        with pytest.raises(ConfigError, match=r"last\.safetensors: not a readable safetensors file"):
            read(path)
    save_file({"weight": torch.ones(2)}, path)
    with pytest.raises(ConfigError, match="not a checkpoint of this project"):
        read(path)
    save_file({"weight": torch.ones(2)}, path, metadata={"meta": json.dumps({**META, "format_version": 1})})
    with pytest.raises(ConfigError, match="checkpoint format 1, this version reads 2"):
        read(path)
    path.unlink()
    with pytest.raises(ConfigError, match=r"last\.safetensors: no such checkpoint"):
        read(path)


def test_a_family_that_this_version_does_not_know_is_named(path: Path) -> None:
    save_checkpoint(path, {}, {**META, "network": {**TINY_NETWORK, "head": "volumetric"}})
    with pytest.raises(ConfigError, match="head 'volumetric'"):
        load_network(path)
