"""What is asked of TensorRT's builder, and what the child process makes of its answers, for every version."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from depth_anything_ros.engines import tensorrt_build
from depth_anything_ros.engines.plan_build import CHILD, BuildJob
from depth_anything_ros.engines.tensorrt_api import find_tensorrt
from depth_anything_ros.engines.tensorrt_build import BuildFailed, do_job
from depth_anything_ros.errors import SpecError
from depth_anything_ros.spec import load_spec, spec_path_of
from tests.plan_samples import make_key, mode_of
from tests.tensorrt_double.install import Rig, environment, installed
from tests.tensorrt_double.plan import Plan, read_plan
from tests.tensorrt_double.settings import VERSIONS, Fault, Settings
from tests.tiny_networks import write_network

pytest.importorskip("onnx", reason="the networks of these tests are built with onnx (extra test)")


@pytest.fixture(params=VERSIONS)
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with installed(Settings(version=request.param)) as rig:
        yield rig


def make_job(folder: Path, **changes: Any) -> dict[str, Any]:
    path = write_network(folder)
    spec = load_spec(spec_path_of(path))
    job = BuildJob(
        artifact=path,
        spec=spec,
        key=make_key(artifact_sha256=spec.artifact_sha256, **changes),
        device=0,
        plan=folder / "plan",
        timing_cache=folder / "timing",
        log=folder / "log",
    )
    data: dict[str, Any] = json.loads(job.to_json())
    return data


def spy(monkeypatch: pytest.MonkeyPatch, cls: Any, name: str) -> list[tuple[Any, ...]]:
    """The arguments of every call of a method, which is still carried out."""
    calls: list[tuple[Any, ...]] = []
    method = getattr(cls, name)

    def called(self: Any, *arguments: Any) -> Any:
        calls.append(arguments)
        return method(self, *arguments)

    monkeypatch.setattr(cls, name, called)
    return calls


def built(folder: Path, **changes: Any) -> Plan:
    do_job(make_job(folder, **changes), lambda answer: None)
    plan = read_plan((folder / "plan").read_bytes())
    assert isinstance(plan, Plan)
    return plan


def test_a_plan_is_written_with_its_checksum(rig: Rig, tmp_path: Path) -> None:
    answer = do_job(make_job(tmp_path), lambda answer: None)
    data = (tmp_path / "plan").read_bytes()
    assert answer == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    assert mode_of(tmp_path / "plan") == 0o600 and not list(tmp_path.glob("*.tmp"))
    assert rig.gpu.alive == {"memory": 0, "pinned": 0, "streams": 0}


@pytest.mark.parametrize("rung", ["fp16", "fp32"])
def test_tf32_is_off_as_fp32_means_fp32(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rung: str) -> None:
    cleared = spy(monkeypatch, rig.tensorrt.IBuilderConfig, "clear_flag")
    built(tmp_path, rung=rung)
    assert cleared == [(rig.tensorrt.BuilderFlag.TF32,)]


def test_no_flag_is_set_that_strongly_typed_networks_refuse(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = spy(monkeypatch, rig.tensorrt.IBuilderConfig, "set_flag")
    networks = spy(monkeypatch, rig.tensorrt.Builder, "create_network")
    built(tmp_path)
    assert flags == []
    assert networks == [(1 << int(rig.tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED),)]


@pytest.mark.parametrize(("workspace_mb", "limits"), [(0, []), (512, [512 << 20])])
def test_the_workspace_is_limited_where_that_is_asked(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workspace_mb: int, limits: list[int]
) -> None:
    calls = spy(monkeypatch, rig.tensorrt.IBuilderConfig, "set_memory_pool_limit")
    built(tmp_path, workspace_mb=workspace_mb)
    assert calls == [(rig.tensorrt.MemoryPoolType.WORKSPACE, limit) for limit in limits]


def test_a_profile_is_for_a_free_batch_alone(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = spy(monkeypatch, rig.tensorrt.IOptimizationProfile, "set_shape")
    built(tmp_path)
    assert profiles == []
    plan = built(tmp_path, max_batch=3)
    assert profiles == [("image", (1, 28, 42, 3), (3, 28, 42, 3), (3, 28, 42, 3))]
    assert plan.profile["image"] == [[1, 28, 42, 3], [3, 28, 42, 3], [3, 28, 42, 3]]


def test_the_network_has_a_name_that_tells_the_rung(rig: Rig, tmp_path: Path) -> None:
    assert built(tmp_path, rung="fp16-attention-fp32").name == "tiny fp16-attention-fp32"


@pytest.mark.parametrize("known", [b"", b"garbage", b"timing 1.0 Another GPU +"])
def test_timings_are_kept_and_those_of_elsewhere_are_not_taken(rig: Rig, tmp_path: Path, known: bytes) -> None:
    (tmp_path / "timing").write_bytes(known)
    built(tmp_path)
    first = (tmp_path / "timing").read_bytes()
    assert first.endswith(b" +") and not first.endswith(b"++") and b"Another" not in first
    built(tmp_path)
    assert (tmp_path / "timing").read_bytes() == first + b"+"
    assert mode_of(tmp_path / "timing") == 0o600


def test_a_build_says_how_far_it_is(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt_build, "_TELL_EVERY_S", 0.0)
    answers: list[dict[str, Any]] = []
    do_job(make_job(tmp_path), answers.append)
    assert answers[0] == {"what": "making the graph"}
    shares = [answer["done"] for answer in answers[1:]]
    assert len(shares) == 20 and shares == sorted(shares) and shares[-1] == 1.0


def test_phases_inside_phases_add_up(rig: Rig) -> None:
    told: list[dict[str, Any]] = []
    monitor = tensorrt_build._monitor(find_tensorrt().module, told.append)
    monitor.phase_start("all", None, 4)
    monitor.step_complete("all", 0)
    monitor.phase_start("inner", "all", 2)
    monitor.step_complete("inner", 0)
    assert monitor._share(None) == pytest.approx((1 + 0.5) / 4)
    monitor.phase_finish("inner")
    monitor.step_complete("all", 1)
    assert monitor._share(None) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("kind", "cause", "words"),
    [
        ("none", "network", "builds no plan: .*Could not find any implementation"),
        ("memory", "memory", "OutOfMemory"),
        ("parse", "network", "cannot read the graph: .*operator is not supported"),
    ],
)
def test_a_refusal_has_tensorrts_own_words(tmp_path: Path, kind: str, cause: str, words: str) -> None:
    with installed(Settings(faults=(Fault(kind=kind),))), pytest.raises(BuildFailed, match=words) as caught:
        do_job(make_job(tmp_path), lambda answer: None)
    assert caught.value.cause == cause and not (tmp_path / "plan").exists()


SKIPPED = "Tactic Device request: 4096MB Available: 512MB. Device memory is insufficient to use tactic."


@pytest.mark.parametrize(
    ("warning", "error", "cause"),
    [
        (SKIPPED, "Error Code 10: Internal Error (Could not find any implementation for node /attention.)", "memory"),
        ("", "Error Code 10: Internal Error (Could not find any implementation for node /attention.)", "network"),
        (SKIPPED, "Error Code 9: Internal Error (Myelin error)", "network"),
        ("", "Could not find any implementation for node /a due to insufficient workspace. See verbose log.", "memory"),
        ("", "Error Code 1: Cuda Runtime (out of memory)", "memory"),
    ],
)
def test_no_plan_for_want_of_memory_is_not_the_networks_cause(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warning: str, error: str, cause: str
) -> None:
    """TensorRT skips kernels that do not fit with a warning, and then says only that it found none."""

    def build_nothing(self: Any, network: Any, config: Any) -> None:
        severities = rig.tensorrt.ILogger
        logger = find_tensorrt().logger
        for severity, text in ((severities.WARNING, warning), (severities.ERROR, error)):
            if text:
                logger.log(severity, text)

    monkeypatch.setattr(rig.tensorrt.Builder, "build_serialized_network", build_nothing)
    with pytest.raises(BuildFailed, match="builds no plan") as caught:
        do_job(make_job(tmp_path), lambda answer: None)
    assert caught.value.cause == cause


def test_what_has_no_such_graph_is_the_networks_cause(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="no graph can be made") as caught:
        do_job(make_job(tmp_path, rung="fp16-unfused"), lambda answer: None)
    assert caught.value.cause == "network"


def test_too_little_room_for_temporary_files_is_not(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt_build, "_TEMPORARY_FILES", 10**12)
    with pytest.raises(BuildFailed, match=r"MB free, and .* MB are needed") as caught:
        do_job(make_job(tmp_path), lambda answer: None)
    assert caught.value.cause == "disk"


NOISY_CHILD = """
import os
from depth_anything_ros.engines import tensorrt_build
quiet = tensorrt_build.do_job
def do_job(job, tell):
    os.write(1, b"noise")
    print("more noise")
    return quiet(job, tell)
tensorrt_build.do_job = do_job
raise SystemExit(tensorrt_build.main())
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_the_process_answers_in_json_alone(tmp_path: Path, version: str) -> None:
    """Whatever libraries print lands on standard error."""
    code, answers = talk_to(["-c", NOISY_CHILD], make_job(tmp_path), Settings(version=version))
    assert code == 0 and answers[0] == {"what": "making the graph"}
    assert answers[-1]["built"]["bytes"] == (tmp_path / "plan").stat().st_size


@pytest.mark.parametrize(
    ("settings", "words"),
    [(Settings(gpu=None), "no CUDA device"), (Settings(library_version="8.6.1"), "too old")],
)
def test_a_machine_that_cannot_build_says_why(tmp_path: Path, settings: Settings, words: str) -> None:
    code, answers = talk_to(["-m", CHILD], make_job(tmp_path), settings)
    assert code == 1 and len(answers) == 1
    assert words in answers[0]["failed"] and answers[0]["cause"] == "other"


def talk_to(arguments: list[str], job: dict[str, Any], settings: Settings) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and answers of a child that is given a job; its standard input stays open, as that of a parent."""
    process = subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(settings)
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(job).encode() + b"\n")
    process.stdin.flush()
    answers = [json.loads(line) for line in process.stdout]
    code = process.wait(timeout=60)
    process.stdin.close()
    return code, answers


def test_another_file_than_the_specs_is_not_built(rig: Rig, tmp_path: Path) -> None:
    job = make_job(tmp_path)
    Path(job["artifact"]).write_bytes(b"other")
    with pytest.raises(SpecError, match="SHA-256"):
        do_job(job, lambda answer: None)
