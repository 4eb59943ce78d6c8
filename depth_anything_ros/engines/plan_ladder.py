"""The forms of the graph, best first: each plan is looked up or built, and the first that passes its check runs.

TensorRT has shipped versions that build wrong plans of vision transformers without a word. Other forms of the same
graph avoid the fusions that go wrong, at some cost in speed; so each form is a rung, and a failure leads to the next.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..engine_options import Report
from ..errors import EngineError
from ..golden import GoldenError
from .plan_build import BuiltPlan, PlanRefused
from .plan_cache import PlanCache, PlanRecord
from .plan_key import PlanKey
from .plan_lock import locked

Build = Callable[[PlanKey, Report, threading.Event], BuiltPlan]
"""Builds the plan of a key into ``PlanCache.new_plan_path``; raises PlanRefused where TensorRT cannot."""


class NoPlan(EngineError):
    """No form of the graph gives a plan that passes its check."""


@dataclass(frozen=True)
class Candidate:
    """A plan to be loaded and checked."""

    record: PlanRecord
    data: bytes


class PlanLadder:
    """The plans of one network at one shape: a key for every rung, best first. One thread at a time calls it."""

    def __init__(self, cache: PlanCache, keys: Sequence[PlanKey], build: Build) -> None:
        self.keys = tuple(keys)
        self._cache, self._build = cache, build

    def next_plan(self, report: Report, cancelled: threading.Event) -> Candidate:
        """The best plan that has not failed, built if there is none, which takes minutes.

        Raises NoPlan where all have failed, BuildCancelled once ``cancelled`` is set, and EngineError where building
        fails for a reason that is not the plan's.
        """
        for key in self.keys:
            candidate = self._plan_of(key, report, cancelled)
            if candidate is not None:
                return candidate
        raise NoPlan(
            f"no TensorRT plan of {self.keys[0].network} at {self.keys[0].width}x{self.keys[0].height} passes its check"
            f" ({'; '.join(self.verdicts())}); to try again: depth_anything_ros build-engine --force"
        )

    def accept(self, candidate: Candidate, golden: GoldenError) -> None:
        """Note that a plan has passed its check."""
        if candidate.record.verdict != "accepted":
            self._cache.store(candidate.record.with_verdict("accepted", golden=golden))

    def reject(self, candidate: Candidate, reason: str, golden: GoldenError | None = None) -> None:
        """Take a plan out of use, with the reason.

        One that had passed before is built anew; one that is new has shown what this rung gives, and stays rejected.
        """
        self._cache.set_aside(candidate.record)
        if candidate.record.verdict == "accepted":
            self._cache.forget_verdict(candidate.record.key)
        else:
            reason = _without_label(reason, candidate.record.key)
            self._cache.store(candidate.record.with_verdict("rejected", reason=reason, golden=golden))

    def forget(self, report: Report, cancelled: threading.Event) -> None:
        """Remove all plans and verdicts, so that everything is built and judged anew."""
        for key in self.keys:
            with self._locked(key, report, cancelled):
                self._cache.forget(key)

    def verdicts(self) -> list[str]:
        """What is known of every rung, in words."""
        return [self._verdict(key) for key in self.keys]

    def records(self) -> list[PlanRecord]:
        """What is known of the rungs that were tried."""
        return [record for key in self.keys if (record := self._cache.find(key)) is not None]

    def _locked(
        self, key: PlanKey, report: Report, cancelled: threading.Event
    ) -> contextlib.AbstractContextManager[None]:
        def on_wait() -> None:
            report(f"waiting for another process that builds {key.label}", None)

        return locked(self._cache.lock_path(key), cancelled, on_wait)

    def _plan_of(self, key: PlanKey, report: Report, cancelled: threading.Event) -> Candidate | None:
        record = self._cache.find(key)
        if record is not None and record.verdict != "built":  # without a lock, which a read-only disk does not give
            with contextlib.suppress(EngineError):
                return None if record.verdict == "rejected" else Candidate(record, self._cache.read_plan(record))
        with self._locked(key, report, cancelled):
            record = self._cache.find(key)
            if record is not None and record.verdict == "rejected":
                return None
            if record is not None:
                try:
                    return Candidate(record, self._cache.read_plan(record))
                except EngineError as error:
                    report(f"{error}; it is set aside and built anew", None)
                    self._cache.set_aside(record)
            record = self._built(key, report, cancelled)
            return None if record.verdict == "rejected" else Candidate(record, self._cache.read_plan(record))

    def _built(self, key: PlanKey, report: Report, cancelled: threading.Event) -> PlanRecord:
        why = self._cache.why_absent(key)
        report(f"no plan of {key.label} yet" + (f" (there is one of {why})" if why else ""), None)
        self._cache.remove_unfinished(key)
        try:
            built = self._build(key, report, cancelled)
        except PlanRefused as error:
            report(str(error), None)
            record = PlanRecord(key=key, verdict="rejected").with_verdict(
                "rejected", reason=_without_label(str(error), key)
            )
            return self._cache.store(record)
        else:
            record = PlanRecord(
                key=key, verdict="built", plan_sha256=built.sha256, plan_bytes=built.num_bytes, build_s=built.build_s
            )
            return self._cache.store(record.with_verdict("built"), self._cache.new_plan_path(key))
        finally:
            self._cache.remove_unfinished(key)

    def _verdict(self, key: PlanKey) -> str:
        record = self._cache.find(key)
        if record is None:
            return f"{key.rung}: not tried"
        return f"{key.rung}: {record.verdict}" + (f", {record.reason}" if record.reason else "")


def _without_label(reason: str, key: PlanKey) -> str:
    """A record says itself which plan it is of."""
    return reason.removeprefix(key.label).lstrip(" :")
