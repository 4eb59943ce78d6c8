"""The ladder: what is tried in which order, what is kept of it, and when it ends."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from depth_anything_ros.engine_options import Report
from depth_anything_ros.engines.plan_build import BuiltPlan, PlanRefused
from depth_anything_ros.engines.plan_cache import PlanCache
from depth_anything_ros.engines.plan_key import RUNGS, PlanKey
from depth_anything_ros.engines.plan_ladder import NoPlan, PlanLadder
from depth_anything_ros.errors import EngineError
from depth_anything_ros.golden import GoldenError
from tests.plan_samples import make_key, store_plan

GOOD = GoldenError(1e-4, 1e-3, 0.0, 1.0)
BAD = GoldenError(0.4, 1.0, 0.0, 0.5)
NEVER = threading.Event()


class Bench:
    """A ladder over a builder that only notes what it was asked for."""

    def __init__(self, folder: Path, refuse: Callable[[PlanKey], Exception | None] = lambda key: None) -> None:
        self.cache = PlanCache(folder)
        self.cache.open()
        self.built: list[str] = []
        self.said: list[str] = []
        self._refuse = refuse
        self.ladder = PlanLadder(self.cache, [make_key(rung=rung) for rung in RUNGS], self._build)

    def _build(self, key: PlanKey, report: Report, cancelled: threading.Event) -> BuiltPlan:
        self.built.append(key.rung)
        data = f"{key.rung} {len(self.built)}".encode()
        self.cache.new_plan_path(key).write_bytes(data)
        error = self._refuse(key)
        if error is not None:
            raise error
        return BuiltPlan(hashlib.sha256(data).hexdigest(), len(data), 60.0)

    def next(self) -> tuple[str, bytes]:
        self.candidate = self.ladder.next_plan(lambda what, fraction: self.said.append(what), NEVER)
        return self.candidate.record.key.rung, self.candidate.data


def test_a_plan_is_built_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.next() == ("fp16", b"fp16 1")
    bench.ladder.accept(bench.candidate, GOOD)
    again = Bench(tmp_path)
    assert again.next() == ("fp16", b"fp16 1") and again.built == []
    assert again.candidate.record.golden == GOOD and again.candidate.record.verdict == "accepted"


def test_a_new_plan_that_fails_leads_to_the_next_rung_for_good(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for rung in RUNGS[:3]:
        assert bench.next()[0] == rung
        bench.ladder.reject(bench.candidate, "it is wrong", BAD)
    assert bench.next()[0] == "fp32"
    bench.ladder.accept(bench.candidate, GOOD)
    again = Bench(tmp_path)
    assert again.next() == ("fp32", b"fp32 4") and again.built == []
    assert again.ladder.verdicts()[0] == "fp16: rejected, it is wrong"
    assert [record.golden for record in again.ladder.records()] == [BAD, BAD, BAD, GOOD]
    assert len(list(tmp_path.glob("*.plan.rejected"))) == 3


def test_the_end_of_the_ladder_names_every_reason(tmp_path: Path) -> None:
    bench = Bench(tmp_path, refuse=lambda key: PlanRefused("no kernel") if key.rung == "fp32" else None)
    for _ in RUNGS[:3]:
        bench.next()
        bench.ladder.reject(bench.candidate, "it is wrong")
    with pytest.raises(NoPlan, match=r"fp16: rejected, it is wrong.*fp32: rejected, no kernel.*build-engine --force"):
        bench.next()
    with pytest.raises(NoPlan):
        Bench(tmp_path).next()


def test_what_tensorrt_cannot_build_is_not_tried_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, refuse=lambda key: PlanRefused("no kernel") if key.rung == "fp16" else None)
    assert bench.next()[0] == "fp16-attention-fp32" and bench.built == ["fp16", "fp16-attention-fp32"]
    assert "no kernel" in bench.said
    again = Bench(tmp_path)
    assert again.next()[0] == "fp16-attention-fp32" and again.built == []


def test_a_failure_that_is_not_the_plans_is_no_verdict(tmp_path: Path) -> None:
    bench = Bench(tmp_path, refuse=lambda key: EngineError("out of memory"))
    with pytest.raises(EngineError, match="out of memory"):
        bench.next()
    assert bench.built == ["fp16"] and bench.cache.records() == []
    assert not list(tmp_path.glob(".*.tmp"))  # what was half written
    assert Bench(tmp_path).next()[0] == "fp16"


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    left = bench.cache.new_plan_path(make_key())
    left.with_name(f"{left.name}.123.tmp").write_bytes(b"half a plan")
    bench.next()
    assert list(tmp_path.glob(".*")) == []


def test_a_damaged_plan_is_built_anew(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    record = store_plan(bench.cache, make_key(), b"plan")
    bench.cache.plan_path(record.key).write_bytes(b"pla")
    assert bench.next() == ("fp16", b"fp16 1")
    assert any("damaged" in text for text in bench.said)
    assert bench.candidate.record.verdict == "built"


def test_a_plan_that_passed_and_fails_now_is_built_anew_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    store_plan(bench.cache, make_key())
    assert bench.next() == ("fp16", b"plan")
    bench.ladder.reject(bench.candidate, "cannot be deserialised")
    assert [path.read_bytes() for path in tmp_path.glob("*.rejected")] == [b"plan"]
    assert bench.next() == ("fp16", b"fp16 1")
    bench.ladder.reject(bench.candidate, "cannot be deserialised")
    assert bench.next()[0] == "fp16-attention-fp32"


def test_forgetting_tries_everything_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.next()
    bench.ladder.reject(bench.candidate, "it is wrong")
    bench.ladder.forget(lambda what, fraction: None, NEVER)
    assert bench.ladder.records() == [] and bench.ladder.verdicts()[0] == "fp16: not tried"
    assert bench.next() == ("fp16", b"fp16 2")


def test_a_plan_of_another_version_is_told_and_left_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    other = store_plan(bench.cache, make_key(tensorrt="10.16.1"))
    assert bench.next() == ("fp16", b"fp16 1")
    assert any("there is one of tensorrt 10.16.1, here 10.3.0" in text for text in bench.said)
    assert bench.cache.read_plan(other) == b"plan"


def test_two_at_once_build_one_plan(tmp_path: Path) -> None:
    benches = [Bench(tmp_path), Bench(tmp_path)]
    results: list[tuple[str, bytes]] = []
    threads = [threading.Thread(target=lambda b=bench: results.append(b.next())) for bench in benches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [("fp16", b"fp16 1")] * 2
    assert sorted(bench.built for bench in benches) == [[], ["fp16"]]
