"""``fetch`` of files of this machine: recognised or named, and put where their model's name finds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from depth_anything_ros.errors import (
    ConfigError,
    DepthAnythingError,
    LicenceError,
    OutputError,
)
from depth_anything_ros.fetch import needs_fetch
from tests.fetch.fetching import WEIGHTS, get, job_of, visible
from tests.fetch.foreign_onnx import write_foreign

pytestmark = pytest.mark.usefixtures("fake_conversion")


def test_a_file_that_tells_what_it_is_gets_its_name(own_folders: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(WEIGHTS)
    fetched = get("weights.pth")
    assert job_of(fetched)["model"] is None and Path(job_of(fetched)["source"]) == tmp_path / "weights.pth"
    assert fetched.path == own_folders / "v2-small" / "v2-small.onnx" and fetched.path.is_file()
    assert visible(own_folders) == {"v2-small"}
    with pytest.raises(OutputError, match="--force replaces it"):
        get("weights.pth")
    assert visible(own_folders) == {"v2-small"}
    assert get("weights.pth", force=True).is_new


def test_a_ready_onnx_of_this_machine_is_taken(own_folders: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    write_foreign(tmp_path / "model.onnx")
    fetched = get("model.onnx", like="v2-small")
    assert fetched.spec.provenance["source"] == "model.onnx" and not needs_fetch("v2-small")


def test_a_folder_of_transformers_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "Depth-Anything-V2-Small-hf"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    assert job_of(get(str(folder)))["source"] == str(folder)


@pytest.mark.parametrize(
    ("what", "options", "kind", "words"),
    [
        ("v2-smal", {}, ConfigError, "no known model 'v2-smal'; did you mean v2-small"),
        ("someone/thing", {}, ConfigError, "no known model 'someone/thing'; accepted: v1-small"),
        ("nothing.pth", {}, ConfigError, "no file or folder at nothing.pth"),
        ("./nothing", {}, ConfigError, "no file or folder at nothing"),
        ("v2-small", {"like": "v2-small"}, ConfigError, "is itself the name of a model"),
        ("a.onnx", {}, ConfigError, r"a\.onnx does not tell which model it is: name it with --like"),
        ("a.pth", {"ready_onnx": True}, ConfigError, "is one of this machine"),
        ("a.pth", {"like": "v3-small"}, ConfigError, "no known model 'v3-small'"),
        ("a.pth", {"like": "v2-base"}, LicenceError, "say --accept-license cc-by-nc-4.0"),
        ("done", {}, ConfigError, "done is a fetched network already: --model done takes it"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(
    own_folders: Path, tmp_path: Path, what: str, options: dict[str, Any], kind: type[DepthAnythingError], words: str
) -> None:
    (tmp_path / "a.onnx").touch()
    (tmp_path / "a.pth").touch()
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "DONE").touch()
    with pytest.raises(kind, match=words) as caught:
        get(what, **options)
    assert "\n" not in str(caught.value) and not own_folders.exists()
