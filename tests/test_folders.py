"""Where things are kept: as the XDG specification says."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.folders import bag_frames_folder, models_folder, plans_folder


def test_the_usual_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert models_folder() == tmp_path / ".local" / "share" / "depth_anything_ros" / "models"
    assert plans_folder() == tmp_path / ".cache" / "depth_anything_ros" / "plans"
    assert list(tmp_path.iterdir()) == []


def test_chosen_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert models_folder() == tmp_path / "data" / "depth_anything_ros" / "models"
    assert plans_folder() == tmp_path / "cache" / "depth_anything_ros" / "plans"
    assert bag_frames_folder() == tmp_path / "cache" / "depth_anything_ros" / "bag_frames"


@pytest.mark.parametrize("value", ["", "relative/folder", "."])
def test_a_relative_place_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", value)
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert models_folder().is_relative_to(tmp_path / ".local" / "share")
    assert plans_folder().is_relative_to(tmp_path / ".cache")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(ConfigError, match="no home folder; set XDG_DATA_HOME to an absolute path"):
        models_folder()
