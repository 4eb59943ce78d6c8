"""One network's plans on one device: which there are, how they are built, loaded and judged."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..engine import EngineInfo
from ..engine_options import EngineOptions, Report
from ..errors import EngineError
from ..golden import GoldenError, GoldenSample
from ..spec import EngineSpec
from .cuda.seam import CudaError, DeviceInfo
from .network_engine import NetworkEngine
from .plan_build import BuildJob, BuiltPlan, run_build
from .plan_cache import PlanCache
from .plan_check import CheckFailed, check_plan
from .plan_key import RUNGS, PlanKey
from .plan_ladder import Candidate, PlanLadder
from .plan_lock import locked
from .plan_runner import PlanRunner
from .tensorrt_api import TensorRt

_ENDS_TRYING = ("no device", "memory", "lost")
"""Kinds of ``CudaError`` after which no other plan can be tried now."""


@dataclass(frozen=True)
class PlanSource:
    """What plans are made of: the network (its spec with the batch that is asked for), and the machine."""

    path: Path
    spec: EngineSpec
    options: EngineOptions
    cache: PlanCache
    tensorrt: TensorRt
    device: DeviceInfo

    def ladder(self, size_hw: tuple[int, int], rungs: Sequence[str]) -> PlanLadder:
        """The plans of these rungs for images of (h, w) [px]."""
        return PlanLadder(self.cache, [self.key(rung, size_hw) for rung in rungs], self._build)

    def key(self, rung: str, size_hw: tuple[int, int]) -> PlanKey:
        """The key of one plan."""
        return PlanKey(
            network=self.spec.name,
            artifact_sha256=self.spec.artifact_sha256,
            rung=rung,
            max_batch=self.spec.max_batch,
            height=size_hw[0],
            width=size_hw[1],
            tensorrt=self.tensorrt.version,
            cuda=int(self.device.driver.partition(".")[0]),
            gpu=self.device.name,
            compute_capability=self.device.compute_capability,
            num_multiprocessors=self.device.multiprocessors,
            workspace_mb=self.options.workspace_mb,
        )

    def _build(self, key: PlanKey, report: Report, cancelled: threading.Event) -> BuiltPlan:
        job = BuildJob(
            artifact=self.path.resolve(),
            spec=self.spec,
            key=key,
            device=self.device.number,
            plan=self.cache.new_plan_path(key),
            timing_cache=self.cache.timing_cache_path(key),
            log=self.cache.log_path(key),
        )

        def on_wait() -> None:
            report(f"{key.label} waits until another TensorRT plan is built", None)

        # Two builds at once need twice the memory, and disturb the timings that each chooses its kernels by.
        with locked(self.cache.builder_lock_path(key), cancelled, on_wait):
            return run_build(job, report=report, cancelled=cancelled, usual_s=self.cache.usual_build_s(key))


class PlanEngine(NetworkEngine):
    """A ``DepthEngine`` over one loaded plan, for images of its size alone."""

    def __init__(self, spec: EngineSpec, info: EngineInfo, runner: PlanRunner) -> None:
        super().__init__(spec, info, lambda shape: runner.run, max_shapes=spec.max_batch)
        self._runner = runner

    def close(self) -> None:
        """See ``DepthEngine.close``."""
        super().close()
        self._runner.close()


def open_plan(
    source: PlanSource, ladder: PlanLadder, candidate: Candidate, sample: GoldenSample, reason: str
) -> PlanEngine | None:
    """Load a plan and check it; None where it fails, after its verdict was kept, so that the next one can be tried.

    Raises CudaError for what says nothing about the plan, a device without memory or lost, and where a new plan has
    lost the device; that one's verdict is kept, too.
    """
    key = candidate.record.key
    try:
        runner, golden = _checked(source, candidate.data, sample, key.precision, key.label)
    except EngineError as failed:
        if isinstance(failed, CudaError) and failed.kind in _ENDS_TRYING:
            if failed.kind != "lost" or candidate.record.verdict != "built":
                raise
            # A plan that reads where it must not takes the device with it; the next start must not meet it again.
            ladder.reject(candidate, f"{failed}, when it ran for the first time")
            raise CudaError(
                f"{key.label}: {failed}; the plan is set aside, the next start takes another", "lost"
            ) from failed
        ladder.reject(candidate, str(failed), failed.golden if isinstance(failed, CheckFailed) else None)
        source.options.tell(f"{failed}; it is set aside", None)
        return None
    ladder.accept(candidate, golden)
    notes = [f"not used: {verdict}" for verdict in ladder.verdicts() if ": rejected" in verdict]
    if candidate.record.verdict == "built":
        notes.append(f"the plan was built in {candidate.record.build_s:.0f} s; it is kept for the next start")
    return _engine(source, runner, golden, key.rung, reason, notes)


def open_given_plan(source: PlanSource, size_hw: tuple[int, int], sample: GoldenSample, reason: str) -> PlanEngine:
    """Load the plan that the user named, and check it as any other. Raises EngineError where it cannot run or fails."""
    path = source.options.plan
    assert path is not None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EngineError(f"cannot read the plan {path}: {error.strerror}") from error
    rung = _rung_beside(path)
    runner, golden = _checked(source, data, sample, rung.partition("-")[0], f"the plan {path.name}")
    note = f"the plan {path} was given by name; where it comes from is not known here"
    return _engine(source, runner, golden, rung, reason, [note])


def _checked(
    source: PlanSource, data: bytes, sample: GoldenSample, precision: str, label: str
) -> tuple[PlanRunner, GoldenError]:
    height, width = sample.depth_hw.shape
    spec, tensorrt, device = source.spec, source.tensorrt, source.device.number
    runner = PlanRunner(data, spec, tensorrt, device, size_hw=(height, width), max_batch=spec.max_batch)
    try:
        return runner, check_plan(runner.run, sample, source.spec, precision=precision, label=label)
    except BaseException:
        runner.close()
        raise


def _engine(
    source: PlanSource, runner: PlanRunner, golden: GoldenError, rung: str, reason: str, notes: list[str]
) -> PlanEngine:
    checked = f"golden sample reproduced in {rung}: abs_rel {golden.abs_rel:.1e}, cosine {golden.cosine:.6f}"
    info = EngineInfo(
        engine="tensorrt",
        precision=rung,
        device=str(source.device),
        reason=reason,
        version=str(source.tensorrt),
        notes=(checked, *notes, *filter(None, runner.notes)),
        golden=golden,
    )
    return PlanEngine(source.spec, info, runner)


def _rung_beside(path: Path) -> str:
    """What a plan from elsewhere was made of, as the JSON beside it says; fp16 where there is none."""
    try:
        rung = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["key"]["rung"]
    except (OSError, ValueError, KeyError, TypeError):
        return RUNGS[0]
    return rung if rung in RUNGS else RUNGS[0]
