"""Checkpoint files: which one a file is, what is refused, and that nothing is loaded in part."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.models import KnownModel, get_model
from depth_anything_ros.networks.checkpoint import load_known
from tests.networks.known_weights import official_model, use_tiny_sizes, write_official, write_transformers
from tests.networks.official_model import official_weights

V2_SMALL = get_model("v2-small")
IMAGE = torch.full((1, 28, 28, 3), 90, dtype=torch.uint8)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_sizes(monkeypatch)


def depth(path: Path, model: KnownModel | None) -> torch.Tensor:
    with torch.inference_mode():
        return load_known(path, model)[0](IMAGE)[0]


@pytest.mark.parametrize("name", ["v2-base", "v2-metric-indoor-small", "v2-metric-outdoor-large"])
def test_the_authors_own_file_name_tells_the_model(name: str, tmp_path: Path) -> None:
    assert load_known(write_official(get_model(name), tmp_path), None)[1].name == name


@pytest.mark.parametrize("name", ["da3metric-large", "da3mono-large"])
def test_the_config_of_depth_anything_3_tells_the_model(name: str, tmp_path: Path) -> None:
    write_official(get_model(name), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_name": name, "config": {}}))
    assert load_known(tmp_path, None)[1].name == name
    other = {"da3metric-large": "da3mono-large", "da3mono-large": "da3metric-large"}[name]
    with pytest.raises(ConfigError, match=f"is not {other}; by its contents it is one of: {name}"):
        load_known(tmp_path, get_model(other))


def test_what_cannot_be_told_apart_must_be_named(tmp_path: Path) -> None:
    file = write_official(V2_SMALL, tmp_path).rename(tmp_path / "weights.pth")
    with pytest.raises(ConfigError, match=r"v1-small, v2-small, v2-metric-indoor-small, v2-metric-outdoor-small; name"):
        load_known(file, None)
    assert load_known(file, get_model("v1-small"))[1].family == "v1"


@pytest.mark.parametrize("wrapped", ["model", "state_dict"])
def test_a_trainers_checkpoint_loads(wrapped: str, tmp_path: Path) -> None:
    """As the V2 metric trainer writes it: beside its optimiser, wrapped for several processes."""
    weights = official_weights(official_model(V2_SMALL), prefix="module.")
    file = tmp_path / "latest.pth"
    torch.save(
        {wrapped: weights, "optimizer": {"state": {}, "lr": 5e-6}, "epoch": 3, "previous_best": {"d1": 0.9}}, file
    )
    plain = write_official(V2_SMALL, tmp_path)
    torch.testing.assert_close(depth(file, V2_SMALL), depth(plain, V2_SMALL), rtol=0, atol=0)


def test_half_weights_and_old_pickles_load(tmp_path: Path) -> None:
    weights = official_weights(official_model(V2_SMALL))
    torch.save(weights, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({name: tensor.half() for name, tensor in weights.items()}, tmp_path / "half.pth")
    exact = depth(tmp_path / "old.pth", V2_SMALL)
    network = load_known(tmp_path / "half.pth", V2_SMALL)[0]
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    torch.testing.assert_close(depth(tmp_path / "half.pth", V2_SMALL), exact, rtol=0, atol=0.02)


def test_weights_of_transformers_load_without_their_config_where_they_are_named(tmp_path: Path) -> None:
    write_transformers(V2_SMALL, tmp_path)
    expected = depth(tmp_path, V2_SMALL)
    (tmp_path / "config.json").unlink()
    torch.testing.assert_close(depth(tmp_path, V2_SMALL), expected, rtol=0, atol=0)
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    torch.testing.assert_close(depth(tmp_path, V2_SMALL), expected, rtol=0, atol=0)


def test_a_stated_range_is_taken_from_transformers_config(tmp_path: Path) -> None:
    model = get_model("v2-metric-indoor-small")
    write_transformers(dataclasses.replace(model, max_depth_m=35.0), tmp_path)
    with pytest.raises(ConfigError, match="none; name it"):
        load_known(tmp_path, None)
    network, found, _ = load_known(tmp_path, model)
    assert found.max_depth_m == network.config.max_depth_m == 35.0


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"max_depth": 0}, "max_depth 0"),
        ({"max_depth": "far"}, "max_depth 'far'"),
        ({"backbone_config": {"out_indices": ["a"]}}, "out_indices"),
        ({"depth_estimation_type": "other"}, "is not v2-metric-indoor-small"),
        ({"backbone_config": {"out_features": ["stage1", "stage2"]}}, "is not v2-metric-indoor-small"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(stated: dict[str, Any], message: str, tmp_path: Path) -> None:
    model = get_model("v2-metric-indoor-small")
    write_transformers(model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **stated}))
    with pytest.raises(ConfigError, match=message):
        load_known(tmp_path, model)


def test_a_config_of_feature_names_is_understood(tmp_path: Path) -> None:
    """The first folders of V1 name stages instead of numbering them."""
    write_transformers(get_model("v1-small"), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["backbone_config"].pop("out_indices")
    config.pop("depth_estimation_type")
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_known(tmp_path, None)[1].name == "v1-small"


@pytest.mark.parametrize(("held", "named"), [("v2-small", "v2-base"), ("v2-large", "da3metric-large")])
def test_another_model_than_the_named_one_is_refused(held: str, named: str, tmp_path: Path) -> None:
    file = write_official(get_model(held), tmp_path)
    with pytest.raises(ConfigError, match=f"is not {named}; by its contents it is one of: .*{held}"):
        load_known(file, get_model(named))


Change = Callable[[dict[str, torch.Tensor]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("pretrained.blocks.3.ls1.gamma"), "lacks 1 weights, such as backbone.*layer.3.layer_scale1"),
        (lambda w: w.update({"pretrained.register_tokens": torch.zeros(1)}), "1 keys of no network.*register_tokens"),
        (lambda w: w.update({"depth_head.scratch.output_conv2.2.bias": torch.zeros(2)}), r"head.depth.bias .*\(2,\)"),
        (lambda w: w.update({"pretrained.norm.bias": torch.zeros(24, dtype=torch.int32)}), "int32"),
        (lambda w: w.update({"pretrained.cls_token": torch.zeros(1, 1, 48)}), r"48 wide; accepted: 24 \(small\)"),
        (lambda w: w.pop("depth_head.scratch.refinenet4.out_conv.weight"), "layers.0.projection.weight"),
        (lambda w: w.clear(), "the first are none"),
    ],
)
def test_weights_that_are_not_exactly_the_networks_are_refused(change: Change, message: str, tmp_path: Path) -> None:
    weights = official_weights(official_model(V2_SMALL))
    change(weights)
    torch.save(weights, tmp_path / "weights.pth")
    with pytest.raises(ConfigError, match=message) as caught:
        load_known(tmp_path / "weights.pth", V2_SMALL)
    assert "\n" not in str(caught.value)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("run",)


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = {"pretrained.cls_token": Evil()}
    torch.save(evil, tmp_path / "evil.pth", _use_new_zipfile_serialization=False)
    torch.save(evil, tmp_path / "evil_zip.pth")
    for name in ("evil.pth", "evil_zip.pth"):
        with pytest.raises(ConfigError, match="not a readable weights file") as caught:
            load_known(tmp_path / name, V2_SMALL)
        # PyTorch's own words advise to load it without the protection.
        assert "\n" not in str(caught.value) and "weights_only" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"PK\x03\x04 cut")
    (tmp_path / "b.safetensors").write_bytes(b"\x10\x00")
    (tmp_path / "c.pth").write_bytes(b"")
    torch.save([1, 2], tmp_path / "d.pth")
    save_file({"weight": torch.zeros(3)}, tmp_path / "e.safetensors")
    (tmp_path / "f.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    messages = {
        "a.pth": "not a readable", "b.safetensors": "not a readable", "c.pth": "not a readable",
        "d.pth": "no plain mapping", "e.safetensors": "no Depth Anything weights.*weight", "f.txt": "ending in",
        "g.pth": "no such file", "folder": "no weights; accepted: a folder with model.safetensors",
    }  # fmt: skip
    for name, message in messages.items():
        with pytest.raises(ConfigError, match=message) as caught:
            load_known(tmp_path / name, V2_SMALL)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)


def test_an_archive_that_grows_when_it_is_read_is_refused_before(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    with pytest.raises(ConfigError, match="compressed archive"):
        load_known(tmp_path / "bomb.pth", V2_SMALL)


def test_weights_that_are_not_numbers_or_have_no_names_are_refused(tmp_path: Path) -> None:
    weights = torch.load(write_official(V2_SMALL, tmp_path), weights_only=True)
    token = weights["pretrained.cls_token"]
    changes: list[tuple[dict[Any, torch.Tensor], str]] = [
        ({"pretrained.cls_token": torch.full_like(token, torch.nan)}, "cls_token holds NaN or infinite"),
        ({"pretrained.cls_token": torch.tensor(1.0)}, "an encoder 1 wide"),
        ({5: token}, "no plain mapping"),
    ]
    for change, message in changes:
        torch.save({**weights, **change}, tmp_path / "changed.pth")
        with pytest.raises(ConfigError, match=message):
            load_known(tmp_path / "changed.pth", V2_SMALL)
