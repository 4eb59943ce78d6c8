"""``fetch`` of a name or id of the hub: terms first, resumed, checked, and nothing done twice."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from depth_anything_ros import cli
from depth_anything_ros.engine import load_engine
from depth_anything_ros.errors import (
    ConfigError,
    EngineError,
    EngineNotReady,
    LicenceError,
    MissingDependency,
    OutputError,
)
from depth_anything_ros.fetch import conversion, fetch_model, making, needs_fetch, store
from depth_anything_ros.models import MODELS, get_model
from depth_anything_ros.spec import load_spec
from tests.fetch.fetching import WEIGHTS, get, job_of, quiet, visible
from tests.fetch.hub_server import Hub
from tests.source_tree import REPOSITORY

REQUIRE, HAS_TORCH = making.require_what_converts, making.has_torch


pytestmark = pytest.mark.usefixtures("fake_conversion")


def test_a_name_becomes_a_folder_that_runs_by_that_name(full_hub: Hub, own_folders: Path) -> None:
    assert needs_fetch("v2-small")
    fetched = get("v2-small")
    assert fetched.is_new and fetched.path == own_folders / "v2-small" / "v2-small.onnx"
    assert job_of(fetched)["model"] == "v2-small" and job_of(fetched)["torch_weights"] is True
    assert load_spec(fetched.path.with_suffix(".json")).provenance["source"] == (
        "depth-anything/Depth-Anything-V2-Small/depth_anything_v2_vits.pth"
    )
    assert not needs_fetch("v2-small")
    with load_engine("v2-small", engine="onnxruntime") as engine:
        assert engine.spec.name == "v2-small"
    assert visible(own_folders) == {"v2-small", ".downloads"} and visible(own_folders / ".downloads") == set()


def test_what_is_there_is_left_alone(full_hub: Hub, own_folders: Path) -> None:
    get("v2-small")
    full_hub.requests.clear()
    before = (own_folders / "v2-small" / "v2-small.onnx").stat().st_ino
    assert not get("v2-small").is_new and not get("depth-anything/Depth-Anything-V2-Small").is_new
    assert fetch_model("V2-Small", accept=(), report=quiet) == own_folders / "v2-small" / "v2-small.onnx"
    assert full_hub.requests == [] and (own_folders / "v2-small" / "v2-small.onnx").stat().st_ino == before
    assert get("v2-small", force=True).is_new
    assert (own_folders / "v2-small" / "v2-small.onnx").stat().st_ino != before


@pytest.mark.parametrize("name", [model.name for model in MODELS if model.licence.category != "permissive"])
def test_terms_come_before_any_download(full_hub: Hub, own_folders: Path, name: str) -> None:
    needed = {"non-commercial": "cc-by-nc-4.0", "unclear": "unclear"}[get_model(name).licence.category]
    for accept in ([], ["mit"], ["cc-by-4.0"]):
        with pytest.raises(LicenceError, match=f"say --accept-license {needed}"):
            get(name, accept_license=accept)
    assert full_hub.requests == [] and not own_folders.exists()
    assert job_of(get(name, accept_license=["mit", needed]))["accept"] == ["mit", needed]


def test_the_id_of_transformers_takes_its_own_layout(full_hub: Hub, tmp_path: Path) -> None:
    fetched = get("depth-anything/Depth-Anything-V2-Small-hf")
    assert fetched.path.name == "v2-small.onnx"
    assert Path(job_of(fetched)["source"]).name == "hf"
    paths = [path for method, path, _ in full_hub.requests if method == "HEAD"]
    assert paths == [
        f"/depth-anything/Depth-Anything-V2-Small-hf/resolve/main/{name}"
        for name in ("model.safetensors", "config.json")
    ]
    assert fetched.spec.name == "v2-small"
    source = load_spec(fetched.path.with_suffix(".json")).provenance["source"]
    assert source == "depth-anything/Depth-Anything-V2-Small-hf/model.safetensors"


def test_another_folder_may_be_named(full_hub: Hub, own_folders: Path, tmp_path: Path) -> None:
    fetched = get("v2-small", out=tmp_path / "robot" / "net", torch_weights=False)
    assert fetched.path == tmp_path / "robot" / "net" / "v2-small.onnx"
    assert job_of(fetched)["torch_weights"] is False
    assert needs_fetch("v2-small")
    with pytest.raises(OutputError, match="holds v2-small, not v1-small"):
        get("v1-small", out=tmp_path / "robot" / "net")
    assert get("v1-small", out=tmp_path / "robot" / "net", force=True).is_new


def test_a_folder_of_other_files_is_refused_before_any_download(full_hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    for force in (False, True):
        with pytest.raises(OutputError, match="so it is no fetched network"):
            get("v2-small", out=tmp_path / "mine", force=force)
    assert full_hub.requests == []


def test_a_disk_without_room_is_told_before_any_download(full_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 250_000_000})())
    with pytest.raises(OutputError, match="198 MB for the network and 99 MB for the download"):
        get("v2-small")
    assert full_hub.requests == []
    assert get("v2-small", torch_weights=False).is_new


def test_a_conversion_that_fails_keeps_the_download(
    full_hub: Hub, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "CHILD", "no_such_module")
    with pytest.raises(EngineError, match="No module named no_such_module"):
        get("v2-small")
    assert needs_fetch("v2-small") and visible(own_folders) == {".downloads"}
    monkeypatch.setattr(conversion, "CHILD", "tests.fetch.fake_conversion")
    full_hub.requests.clear()
    assert get("v2-small").is_new
    assert full_hub.transfers() == []


def test_a_fetch_can_be_given_up_at_any_time(full_hub: Hub, own_folders: Path) -> None:
    for phase in ("asking", "downloading", "checking", "exporting"):

        def give_up(what: str, fraction: float | None, phase: str = phase) -> None:
            if what.startswith(phase):
                raise EngineNotReady(phase)

        with pytest.raises(EngineNotReady, match=phase):
            fetch_model("v2-small", accept=(), report=give_up)
        assert visible(own_folders) == {".downloads"}
    assert fetch_model("v2-small", accept=(), report=quiet).is_file()


def test_the_ready_onnx_serves_without_torch(full_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    monkeypatch.setattr(making, "has_torch", lambda: False)
    monkeypatch.setattr(conversion, "CHILD", "no_such_module")
    spec = get("v2-small").spec
    assert spec.resize == get_model("v2-small").transformers_resize
    assert spec.provenance["keys"] == "onnx" and len(spec.provenance["source_sha256"]) == 64
    with load_engine("v2-small", engine="onnxruntime") as engine:
        assert engine.spec.provenance["source"] == "onnx-community/depth-anything-v2-small/onnx/model.onnx"
        assert engine.info.golden is not None
    fetched = get("v2-base", accept_license=["cc-by-nc-4.0"])
    assert fetched.spec.licence_accepted is not None


def test_the_ready_onnx_is_taken_on_request(full_hub: Hub) -> None:
    pytest.importorskip("onnx")
    assert get("v2-small", ready_onnx=True).spec.provenance["keys"] == "onnx"


def test_what_is_absent_is_told_before_any_download(full_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "require_what_converts", REQUIRE)
    monkeypatch.setattr(making, "has_torch", HAS_TORCH)
    find_spec = making.importlib.util.find_spec
    absent = {"torch"}
    monkeypatch.setattr(making.importlib.util, "find_spec", lambda name: None if name in absent else find_spec(name))
    with pytest.raises(MissingDependency, match=r"torch is not installed.*\[convert\]"):
        get("da3metric-large")
    with pytest.raises(
        ConfigError, match="no ready ONNX of da3metric-large is known; accepted with --ready-onnx: v1-s"
    ):
        get("da3metric-large", ready_onnx=True)
    absent.add("onnx")
    with pytest.raises(MissingDependency, match=r"onnx is not installed.*\[fetch\]"):
        get("v2-small")
    assert full_hub.requests == []


def test_without_the_hub_one_line_says_what_to_do_and_it_works(
    full_hub: Hub, own_folders: Path, tmp_path: Path
) -> None:
    full_hub.status = 503
    with pytest.raises(EngineError) as caught:
        get("v2-base", accept_license=["cc-by-nc-4.0"])
    found = re.search(r"put (\S+) at (\S+) and run: (depth_anything_ros .*)$", str(caught.value))
    assert found is not None and "\n" not in str(caught.value)
    address, target, line = found.groups()
    assert (
        address == f"{full_hub.endpoint}/depth-anything/Depth-Anything-V2-Base/resolve/main/depth_anything_v2_vitb.pth"
    )
    assert Path(target) == tmp_path / "depth_anything_v2_vitb.pth"
    Path(target).write_bytes(WEIGHTS)
    words = shlex.split(line)
    assert words[:4] == ["depth_anything_ros", "fetch", target, "--like"] and words[5] == "--accept-license"
    fetched = get(target, like=words[4], accept_license=[words[6]])
    assert fetched.path == own_folders / "v2-base" / "v2-base.onnx"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_download_that_was_ended_goes_on_where_it_was(
    hub: Hub, own_folders: Path, number: signal.Signals, code: int
) -> None:
    weights = os.urandom(25_000_000)
    hub.files["depth-anything/Depth-Anything-V2-Small/depth_anything_v2_vits.pth"] = weights
    hub.hang_after = 21_000_000
    child = subprocess.Popen(
        [sys.executable, "-c", "from depth_anything_ros import cli; cli.sys.exit(cli.main(['fetch', 'v2-small']))"],
        env={**os.environ, "HF_ENDPOINT": hub.endpoint, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert hub.has_hung.wait(60)
        parts = own_folders / ".downloads" / "v2-small"
        for _ in range(600):
            if any(path.stat().st_size >= 20_000_000 for path in parts.glob("*.part")):
                break
            hub.is_over.wait(0.1)
        child.send_signal(number)
        _, words = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == code and "Traceback" not in words
    assert words.startswith("asking the hub for depth-anything/Depth-Anything-V2-Small/depth_anything_v2_vits.pth\n")
    hub.hang_after = 0
    hub.requests.clear()
    assert get("v2-small").is_new
    (span,) = hub.transfers()
    assert int(span.removeprefix("bytes=").rstrip("-")) >= 20_000_000


def test_the_command_says_what_it_made_and_what_it_refuses(full_hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fetch", "v2-small"]) == 0
    first = capsys.readouterr().out.splitlines()
    assert first[0].endswith("models/v2-small/v2-small.onnx: a network for tests")
    assert first[2] == "  licence: Apache-2.0 (permissive), made by a test"
    assert cli.main(["fetch", "v2-small"]) == 0
    again = capsys.readouterr().out.splitlines()
    source = "depth-anything/Depth-Anything-V2-Small/depth_anything_v2_vits.pth"
    assert again == [f"v2-small is there already, made from {source}", *first]
    assert cli.main(["fetch", "v1-large"]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("depth_anything_ros: error: the weights of v1-large are of unclear licence: ")
