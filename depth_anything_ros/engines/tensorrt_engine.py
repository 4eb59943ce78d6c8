"""TensorRT: plans that are built on this machine, checked before they run, and replaced when they fail.

There is one plan for every size of image. It is prepared when the first image of that size comes, or by ``prepare``.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from ..engine import DepthEngine, EngineInfo, check_images, load_engine
from ..engine_options import EngineOptions, Report
from ..errors import EngineError, EngineNotReady
from ..golden import GoldenSample
from ..spec import EngineSpec
from .cuda.seam import find_device
from .network_engine import network_precision
from .plan_cache import PlanCache, PlanRecord
from .plan_check import reference_sample
from .plan_key import RUNGS
from .plan_ladder import Candidate, PlanLadder
from .plan_lock import BuildCancelled
from .plan_task import PlanTask
from .tensorrt_api import find_tensorrt
from .tensorrt_plans import PlanSource, open_given_plan, open_plan

MAX_PLANS = 4
"""Plans that are kept loaded, more where ``max_batch`` is; each holds its own copy of the weights on the device."""
_PATIENCE_S = 0.3
"""How long the first ``infer`` waits for a plan in the background: one that is kept may be read in this time."""


def open_network(path: Path, spec: EngineSpec, options: EngineOptions, *, reason: str = "asked for") -> TensorrtEngine:
    """Find TensorRT and the device; plans follow when the size of the images is known.

    Raises MissingDependency without TensorRT or CUDA's Python library, EngineError for a version that is not accepted,
    for a device that is not there, for a quantised network, or for a precision other than fp16 and fp32.
    """
    if spec.quantized:
        raise EngineError(f"{spec.name} is quantised to {spec.quantized}, for CPU engines; TensorRT takes the original")
    precision = network_precision(spec, options.precision, ("fp16", "fp32"), "TensorRT")
    tensorrt = find_tensorrt()
    device = find_device(options.device)  # before TensorRT's Runtime, which crashes where there is none
    cache = PlanCache()
    if options.plan is None:  # one that is given is read where it is
        cache.open()
    spec = dataclasses.replace(spec, max_batch=min(options.max_batch, spec.max_batch))
    source = PlanSource(path, spec, options, cache, tensorrt, device)
    return TensorrtEngine(source, [rung for rung in RUNGS if rung.startswith(precision)], reason)


class TensorrtEngine:
    """A ``DepthEngine`` over the plans of ``source``, of which the first of ``rungs`` that passes its check runs."""

    def __init__(self, source: PlanSource, rungs: Sequence[str], reason: str) -> None:
        self.spec = source.spec
        self.source = source
        self.rungs, self._reason = tuple(rungs), reason
        self._running: OrderedDict[tuple[int, int], DepthEngine] = OrderedDict()
        self._ladders: dict[tuple[int, int], PlanLadder] = {}
        self._tasks: dict[tuple[int, int], PlanTask[tuple[Candidate, GoldenSample]]] = {}
        self._failures: dict[tuple[int, int], str] = {}
        self._meanwhile: DepthEngine | None = None
        self._cancelled = threading.Event()
        self._progress: dict[tuple[int, int], tuple[str, float | None]] = {}
        self._max_plans = max(MAX_PLANS, source.options.max_batch)
        self.info = EngineInfo(
            engine="tensorrt",
            precision=rungs[0] if len(rungs) == 1 else "auto",
            device=str(source.device),
            reason=reason,
            version=str(source.tensorrt),
            notes=("the plan is prepared when the first image comes, as it depends on the image's size",),
        )

    @property
    def progress(self) -> str:
        """What is being prepared, size by size; "" if nothing is."""
        return "; ".join(what for what, _ in list(self._progress.values()))

    def infer(self, images_nhw3: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See ``DepthEngine.infer``. With ``options.background``, EngineNotReady while a plan is being prepared."""
        check_images(images_nhw3, self.spec)
        size_hw = (images_nhw3.shape[1], images_nhw3.shape[2])
        engine = self._running.get(size_hw)
        if engine is None:
            engine = self._prepared(size_hw, wait=not self.source.options.background)
        else:
            self._running.move_to_end(size_hw)
        self.info = engine.info
        return engine.infer(images_nhw3)

    def prepare(self, size_hw: tuple[int, int], *, force: bool = False) -> EngineInfo:
        """Make the plan for images of (h, w) [px] ready, which may take minutes; returns what runs then.

        ``force`` forgets earlier plans and verdicts of this size. Raises EngineError where there is no plan that passes
        its check, and no other engine is allowed.
        """
        if force:
            self._ladder(size_hw).forget(self._say(size_hw), self._cancelled)
        if size_hw not in self._running:
            self._prepared(size_hw, wait=True)
        self.info = self._running[size_hw].info
        return self.info

    def verdicts(self) -> list[str]:
        """What is known of every plan that was tried or may be, in words."""
        return [verdict for ladder in self._ladders.values() for verdict in ladder.verdicts()]

    def records(self) -> list[PlanRecord]:
        """What is known of the plans that were tried."""
        return [record for ladder in self._ladders.values() for record in ladder.records()]

    def close(self) -> None:
        """Stop building and free all plans; calling it twice is fine."""
        self._cancelled.set()
        for task in self._tasks.values():
            task.join()
        self._tasks.clear()
        for engine in [*self._running.values(), *filter(None, [self._meanwhile])]:
            engine.close()
        self._running.clear()
        self._progress.clear()
        self._meanwhile = None

    def __enter__(self) -> TensorrtEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepared(self, size_hw: tuple[int, int], *, wait: bool) -> DepthEngine:
        """The engine for a size; while there is none, the one that runs meanwhile, or EngineNotReady."""
        if self._cancelled.is_set():
            raise EngineError(f"{self.spec.name} on tensorrt is closed")
        if size_hw in self._failures:
            raise EngineError(self._failures[size_hw])
        try:
            engine = self._given(size_hw) if self.source.options.plan is not None else self._climb(size_hw, wait)
        except BuildCancelled:
            raise
        except EngineError as error:
            self._say(size_hw)("", None)
            if not self.source.options.cpu_fallback:
                self._failures[size_hw] = str(error)
                raise
            engine = self._cpu_engine("auto", f"allowed as a fallback, as {error}", is_fallback=True)
        if engine is None:
            return self._in_between(size_hw)
        self._say(size_hw)("", None)
        while len(self._running) >= self._max_plans:
            self._running.popitem(last=False)[1].close()
        self._running[size_hw] = engine
        if self._meanwhile is not None and not self._tasks:
            self._meanwhile.close()
            self._meanwhile = None
        return engine

    def _given(self, size_hw: tuple[int, int]) -> DepthEngine:
        folder: Path | None = self.source.cache.folder
        try:
            self.source.cache.open()
        except EngineError:  # read-only, or another user's: nothing of it is needed
            folder = None
        sample = reference_sample(self.source.path, self.spec, size_hw, folder)
        return open_given_plan(self.source, size_hw, sample, self._reason)

    def _climb(self, size_hw: tuple[int, int], wait: bool) -> DepthEngine | None:
        """Try one plan after the other; None where one is still being prepared and ``wait`` is not set."""
        ladder = self._ladder(size_hw)
        while True:
            task = self._tasks.get(size_hw)
            patience_s = 0.0
            if task is None:
                task = self._tasks[size_hw] = PlanTask(lambda: self._next(ladder, size_hw))
                patience_s = _PATIENCE_S
            if not wait and not task.is_done(patience_s):
                return None
            while not task.is_done(_PATIENCE_S):  # in short steps, for Ctrl-C
                pass
            del self._tasks[size_hw]
            candidate, sample = task.result()
            self._say(size_hw)(f"checking the TensorRT plan {candidate.record.key.label}", None)
            engine = open_plan(self.source, ladder, candidate, sample, self._reason)
            if engine is not None:
                return engine

    def _ladder(self, size_hw: tuple[int, int]) -> PlanLadder:
        if size_hw not in self._ladders:
            self._ladders[size_hw] = self.source.ladder(size_hw, self.rungs)
        return self._ladders[size_hw]

    def _next(self, ladder: PlanLadder, size_hw: tuple[int, int]) -> tuple[Candidate, GoldenSample]:
        say = self._say(size_hw)
        try:
            sample = reference_sample(self.source.path, self.spec, size_hw, self.source.cache.folder)
            candidate = ladder.next_plan(say, self._cancelled)
        except BuildCancelled:
            raise
        except EngineError as error:
            say(f"no TensorRT plan: {error}", None)
            raise
        if self.source.options.background:
            say(f"the TensorRT plan {candidate.record.key.label} is there; it waits for an image to be checked", None)
        return candidate, sample

    def _in_between(self, size_hw: tuple[int, int]) -> DepthEngine:
        """What runs while a plan is being prepared."""
        if not self.source.options.meanwhile:
            raise EngineNotReady(*self._progress.get(size_hw, ("preparing the TensorRT plan", None)))
        if self._meanwhile is None:
            self._meanwhile = self._cpu_engine(self.source.options.meanwhile, "while the TensorRT plan is prepared")
        return self._meanwhile

    def _cpu_engine(self, engine: str, reason: str, *, is_fallback: bool = False) -> DepthEngine:
        options = dataclasses.replace(
            self.source.options, engine=engine, precision="auto", background=False, meanwhile="", plan=None
        )
        opened = load_engine(self.source.path, options)
        # What was tried explains a fallback; while a plan is still being prepared there is nothing to explain.
        verdicts = self.verdicts() if is_fallback else []
        notes = (*opened.info.notes, *verdicts)
        opened.info = dataclasses.replace(opened.info, reason=reason, notes=notes, is_fallback=is_fallback)
        return opened

    def _say(self, size_hw: tuple[int, int]) -> Report:
        """What tells the progress for one size; no words end it."""

        def say(what: str, fraction: float | None) -> None:
            if what:
                self._progress[size_hw] = what, fraction
                self.source.options.tell(what, fraction)
            else:
                self._progress.pop(size_hw, None)

        return say
