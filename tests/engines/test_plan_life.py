"""The life of a plan on an imagined machine: built, kept, found again, replaced, refused.

Building goes on in real child processes.
"""

from __future__ import annotations

import json
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.engine import STARTER
from depth_anything_ros.errors import EngineError
from tests.plan_machine import IMAGE, Machine, faulty, result_of, wait_for
from tests.plan_samples import mode_of
from tests.tensorrt_double.settings import VERSIONS, Fault, Gpu, Settings
from tests.tiny_networks import reference_infer, write_network

pytest.importorskip("onnx", reason="the networks of these tests are built with onnx (extra test)")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_first_start_builds_a_plan_and_the_next_one_finds_it(machine: Machine, version: str) -> None:
    first = machine.run(Settings(version=version))
    assert (first.engine, first.rung) == ("tensorrt", "fp16") and first.built and first.is_right()
    assert first.verdicts[0] == "fp16: accepted" and "golden sample reproduced in fp16" in first.notes[0]
    second = machine.run(Settings(version=version))
    assert not second.built and second.is_right()
    np.testing.assert_array_equal(second.depth, first.depth)


def test_what_is_kept_is_the_users_alone_and_complete(machine: Machine) -> None:
    machine.run()
    assert mode_of(machine.plans) == 0o700
    assert {path.suffix for path in machine.plans.iterdir()} == {".plan", ".json", ".log", ".lock", ".cache"}
    assert {mode_of(path) for path in machine.plans.iterdir()} == {0o600}
    record = json.loads(machine.files("*.json")[0].read_text())
    assert record["verdict"] == "accepted" and record["golden"]["cosine"] > 0.999 and record["build_s"] > 0.0


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Settings(library_version="10.3.1"), "tensorrt 10.3.0, here 10.3.1"),
        (Settings(gpu=Gpu(multiprocessors=8)), "num_multiprocessors 16, here 8"),
        (Settings(gpu=Gpu(name="Thor", compute_capability=(11, 0))), "gpu Orin, here Thor"),
        (Settings(gpu=Gpu(driver=13000)), "cuda 12, here 13"),
    ],
)
def test_another_machine_or_version_builds_its_own_plan_and_says_why(
    machine: Machine, other: Settings, words: str
) -> None:
    machine.run()
    there = machine.run(other)
    assert there.built and there.is_right() and any(words in text for text in there.said)
    assert len(machine.files("*.plan")) == 2
    assert not machine.run().built  # the first machine's is still there


def test_another_network_of_the_same_name_builds_its_own_plan(machine: Machine) -> None:
    machine.run()
    write_network(machine.folder, with_golden=False, bias=1.0)
    with machine.on(Settings()), machine.load() as engine:
        np.testing.assert_allclose(engine.infer(IMAGE), reference_infer(IMAGE) + 1.0, rtol=1e-3)
    assert len(machine.files("*.plan")) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "removed", "record"])
def test_a_damaged_plan_is_replaced(machine: Machine, damage: str) -> None:
    machine.run()
    plan = machine.files("*.plan")[0]
    data = plan.read_bytes()
    if damage == "removed":
        plan.unlink()
    elif damage == "record":
        plan.with_suffix(".json").write_text("{")
    else:
        plan.write_bytes(data[:-7] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    again = machine.run()
    assert again.built and again.is_right() and again.rung == "fp16"
    assert plan.read_bytes() == data
    assert not machine.run().built


@pytest.mark.parametrize("kind", ["nan", "scaled", "shuffled", "unloadable", "none", "parse"])
def test_a_rung_that_fails_is_set_aside_for_the_next_one(machine: Machine, kind: str) -> None:
    first = machine.run(faulty(kind, "fp16"))
    assert first.rung == "fp16-attention-fp32" and first.is_right()
    assert [text.split(",")[0] for text in first.verdicts[:2]] == ["fp16: rejected", "fp16-attention-fp32: accepted"]
    assert sum(note.startswith("not used: fp16: rejected") for note in first.notes) == 1
    is_plan = kind not in ("none", "parse")
    assert len(machine.files("*.plan.rejected")) == int(is_plan) and len(machine.files("*.plan")) == 1
    second = machine.run(faulty(kind, "fp16"))
    assert second.rung == "fp16-attention-fp32" and not second.built and second.is_right()


def test_a_form_that_a_network_does_not_have_is_passed_over(machine: Machine) -> None:
    """This one has no attention that could be kept apart."""
    run = machine.run(faulty("nan", "fp16*"))
    assert run.rung == "fp32" and run.is_right() and "no attention" in run.verdicts[2]


def test_a_transformer_whose_fused_attention_is_wrong_runs_unfused(machine: Machine) -> None:
    machine.network = STARTER
    with machine.on(faulty("shuffled", "fp16", "fp16-attention-fp32", name="starter*")), machine.load() as engine:
        info = engine.prepare((56, 70))
        assert info.precision == "fp16-unfused" and info.golden is not None and info.golden.abs_rel < 0.01


def test_where_nothing_passes_the_engine_is_refused_and_stays_so(machine: Machine) -> None:
    everything = faulty("shuffled", "*")
    with pytest.raises(EngineError, match="no TensorRT plan of tiny at 42x28 passes its check"):
        machine.run(everything)
    with machine.on(everything), machine.load() as engine:
        for _ in range(2):
            with pytest.raises(EngineError, match="no TensorRT plan"):
                engine.infer(IMAGE)
    assert not any(text.startswith("no plan of") for text in machine.said)  # nothing was built again


def test_force_tries_again_what_was_rejected(machine: Machine) -> None:
    assert machine.run(faulty("nan", "fp16")).rung == "fp16-attention-fp32"
    with machine.on(Settings()), machine.load() as engine:
        assert engine.prepare((28, 42), force=True).precision == "fp16"
    assert machine.run().rung == "fp16"


@pytest.mark.parametrize(
    ("kind", "words"), [("memory", "free memory"), ("killed", r"was killed .SIGKILL.; the system may have run out")]
)
def test_want_of_memory_is_no_verdict(machine: Machine, kind: str, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        machine.run(faulty(kind, "*"))
    assert machine.files() == []
    later = machine.run()
    assert later.rung == "fp16" and later.is_right()


def test_two_processes_build_one_plan(machine: Machine) -> None:
    with machine.on(Settings(build_seconds=2.0)):
        processes = [machine.start_elsewhere() for _ in range(2)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        results = [result_of(process) for process in processes]
    assert [result["precision"] for result in results] == ["fp16", "fp16"]
    builders = [r for r in results if any(text.startswith("no plan of") for text in r["said"])]
    waiters = [r for r in results if any(text.startswith("waiting for another process") for text in r["said"])]
    assert len(builders) == 1 and len(waiters) == 1 and len(machine.files("*.plan")) == 1


def test_a_process_that_dies_while_it_builds_leaves_nothing_in_the_way(machine: Machine) -> None:
    with machine.on(Settings(build_seconds=60.0)):
        process = machine.start_elsewhere()
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        wait_for(lambda: len(machine.builders()) == 1)  # its log is there before it is
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: machine.builders() == [])  # the one that built for it has ended, too
    assert machine.files() == []
    assert machine.run().is_right()
    assert len(machine.files("*.plan")) == 1


def test_a_full_disk_is_told_and_mended_later(machine: Machine) -> None:
    machine.run()
    plan_bytes = machine.files("*.plan")[0].stat().st_size
    machine.cache.clear()
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    with machine.on(Settings()), machine.load() as engine:
        resource.setrlimit(resource.RLIMIT_FSIZE, (plan_bytes - 1, kept[1]))  # the plan is the largest file
        try:
            with pytest.raises(EngineError, match=r"cannot write the plan: File too large; free space there"):
                engine.infer(IMAGE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert machine.files() == []
    assert machine.run().is_right()


def test_a_device_without_memory_is_no_verdict(machine: Machine) -> None:
    small = Settings(gpu=Gpu(memory_mb=64), workspace_mb=100)
    with pytest.raises(EngineError, match="not enough memory"):
        machine.run(small)
    assert [record.verdict for record in machine.cache.records()] == ["built"]


def test_a_new_plan_that_loses_the_device_is_not_met_again(machine: Machine) -> None:
    losing = Settings(faults=(Fault(kind="lost", name="tiny fp16"),))
    with pytest.raises(EngineError, match=r"was lost.*the plan is set aside, the next start takes another"):
        machine.run(losing)
    run = machine.run(losing)
    assert run.rung == "fp16-attention-fp32" and run.is_right()
    assert any("fp16: rejected" in note and "was lost" in note for note in run.notes)


def test_a_plan_that_passed_before_is_kept_when_the_device_is_lost(machine: Machine) -> None:
    machine.run()
    with pytest.raises(EngineError, match="was lost"):
        machine.run(Settings(faults=(Fault(kind="lost"),)))
    assert not machine.run().built


def test_a_lost_device_is_one_line(machine: Machine) -> None:
    machine.run()
    with pytest.raises(EngineError, match="was lost"):
        machine.run(Settings(faults=(Fault(kind="lost"),)))
    assert [record.verdict for record in machine.cache.records()] == ["accepted"]
