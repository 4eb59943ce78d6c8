"""Folders of a test's own for fetched networks and the hub's cache, a hub on this machine, and no torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from depth_anything_ros.fetch import conversion, making
from depth_anything_ros.models import MODELS
from tests.fetch.fetching import WEIGHTS
from tests.fetch.foreign_onnx import write_foreign
from tests.fetch.hub_server import Hub, serving
from tests.source_tree import REPOSITORY


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the fetched networks, empty."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data" / "depth_anything_ros" / "models"


@pytest.fixture
def hub(tmp_path: Path, own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that ``huggingface_hub`` takes for the real one, with an empty cache."""
    constants = pytest.importorskip("huggingface_hub.constants")
    with serving(Hub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        # The library reads its environment once, when it is imported.
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        address = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
        # Small, so that a small file arrives in several pieces.
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
        yield hub


@pytest.fixture
def fake_conversion(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversion without torch: it writes a tiny network."""
    monkeypatch.setattr(conversion, "CHILD", "tests.fetch.fake_conversion")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setattr(making, "require_what_converts", lambda model, *, takes_onnx: None)
    monkeypatch.setattr(making, "has_torch", lambda: True)


@pytest.fixture
def full_hub(hub: Hub, tmp_path: Path) -> Hub:
    """The hub with every known file, all of the same bytes."""
    onnx = write_foreign(tmp_path / "ready.onnx").read_bytes()
    for model in MODELS:
        hub.files[f"{model.hub_id}/{model.hub_file}"] = WEIGHTS
        if model.transformers_id:
            hub.files[f"{model.transformers_id}/model.safetensors"] = WEIGHTS
            hub.files[f"{model.transformers_id}/config.json"] = b"{}"
        if model.onnx_id:
            hub.files[f"{model.onnx_id}/{model.onnx_file}"] = onnx
    return hub
