"""Building a TensorRT plan in another process: the one that asks stays responsive, and lives if TensorRT does not.

The child (``tensorrt_build``) gets its job as one line of JSON and answers with lines of JSON: how far it is, and at
the end that the plan is built or why not. It ends by itself when its parent dies.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..engine_options import Report
from ..errors import EngineError
from ..spec import EngineSpec, spec_to_dict
from .plan_key import PlanKey
from .plan_lock import BuildCancelled
from .tensorrt_api import is_out_of_memory

CHILD = "depth_anything_ros.engines.tensorrt_build"
CAUSES = ("network", "memory", "disk", "other")
"""Why a build failed, in the child's words; only ``network`` says something about the plan itself."""
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_POLL_S = 0.2
_REPORT_EVERY_S = 5.0
_SURE_FROM = 0.05
"""Share of the work from which on the time that it took tells how long the rest will take."""
_CRASHES = tuple(
    getattr(signal, name) for name in ("SIGSEGV", "SIGABRT", "SIGFPE", "SIGBUS", "SIGILL") if hasattr(signal, name)
)


class PlanRefused(EngineError):
    """TensorRT cannot build a plan of this form of the graph, and would not the next time."""


@dataclass(frozen=True, kw_only=True)
class BuildJob:
    """One plan to be built."""

    artifact: Path
    spec: EngineSpec
    key: PlanKey
    device: int
    plan: Path
    """File to write."""
    timing_cache: Path
    log: Path
    """Gets what TensorRT says."""

    def to_json(self) -> str:
        """One line for the child."""
        return json.dumps(
            {
                "artifact": str(self.artifact),
                "spec": spec_to_dict(self.spec),
                "key": dataclasses.asdict(self.key),
                "device": self.device,
                "plan": str(self.plan),
                "timing_cache": str(self.timing_cache),
            }
        )


@dataclass(frozen=True)
class BuiltPlan:
    """A plan as the child wrote it."""

    sha256: str
    num_bytes: int
    build_s: float


def run_build(job: BuildJob, *, report: Report, cancelled: threading.Event, usual_s: float | None = None) -> BuiltPlan:
    """Build a plan in a child process, which takes minutes; ``report`` is called every few seconds.

    ``usual_s`` is how long it took before, for the estimate [s]. Raises PlanRefused, BuildCancelled once ``cancelled``
    is set, and EngineError for what says nothing about the plan: no memory, a full disk, a killed process.
    """
    start_s = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(_with_package(os.environ.get("PYTHONPATH", "")))}
    try:
        with open(os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", CHILD],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the parent, which then ends the child
            )
    except OSError as error:
        raise EngineError(f"cannot begin to build {job.key.label}: {error}") from error
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(job.to_json().encode() + b"\n")
        process.stdin.flush()  # left open: its end tells the child that its parent has gone
        for answer in _answers(process.stdout, cancelled):
            elapsed_s = time.monotonic() - start_s
            if "built" in answer:
                return BuiltPlan(answer["built"]["sha256"], answer["built"]["bytes"], elapsed_s)
            if "failed" in answer:
                raise _failure(answer["cause"], f"{job.key.label}: {answer['failed']}")
            report(*progress_words(job.key.label, answer.get("what", ""), answer.get("done"), elapsed_s, usual_s))
        raise _sudden_end(process.wait(), job)
    except BrokenPipeError:
        raise _sudden_end(process.wait(), job) from None
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def progress_words(
    label: str, what: str, done: float | None, elapsed_s: float, usual_s: float | None
) -> tuple[str, float | None]:
    """What is said while a plan is built, and how much of it is done (0 to 1), by its usual duration if known."""
    share = min(elapsed_s / usual_s, 0.99) if usual_s else done
    left = "this takes minutes, once"
    if usual_s:
        left = f"about {duration_words(usual_s - elapsed_s)} left" if elapsed_s < usual_s else "longer than usual"
    elif done is not None and done >= _SURE_FROM:
        left = f"about {duration_words(elapsed_s * (1.0 - done) / done)} left"
    step = f", {what}" if what else ""
    return f"building the TensorRT plan {label}{step}: {duration_words(elapsed_s)} so far, {left}", share


def duration_words(seconds: float) -> str:
    """A duration as people say it: 45 s, 3 min, 1 h 10 min."""
    if seconds < 100:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _answers(pipe: IO[bytes], cancelled: threading.Event) -> Iterator[dict[str, Any]]:
    """The child's answers until it ends; between them the last one again every few seconds, as time goes on."""
    waiting = b""
    last: dict[str, Any] = {}
    said_s = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not cancelled.is_set():
            if selector.select(_POLL_S):
                data = os.read(pipe.fileno(), 65536)
                if not data:
                    return
                *lines, waiting = (waiting + data).split(b"\n")
                answers = [json.loads(line) for line in lines]
                for answer in answers:
                    if "built" in answer or "failed" in answer:
                        yield answer
                last = answers[-1] if answers else last
            if time.monotonic() - said_s >= _REPORT_EVERY_S:
                said_s = time.monotonic()
                yield last
    raise BuildCancelled("building the TensorRT plan was given up")


def _failure(cause: str, text: str) -> EngineError:
    if cause == "network":
        return PlanRefused(text)
    hints = {
        "memory": "; free memory, or take a smaller size, a smaller batch or workspace_mb",
        "disk": "; free space there, or set XDG_CACHE_HOME to another folder",
    }
    return EngineError(text + hints.get(cause, ""))


def _sudden_end(code: int, job: BuildJob) -> EngineError:
    """What to say of a child that ended without an answer."""
    said = _last_line(job.log)
    if is_out_of_memory(said):  # C++ aborts where nobody catches it
        return _failure("memory", f"{job.key.label}: building the plan ended for want of memory: {said}")
    if -code in _CRASHES:
        return PlanRefused(f"{job.key.label}: TensorRT crashed while building ({signal.Signals(-code).name})")
    if code < 0:
        reason = f"was killed ({signal.Signals(-code).name}); the system may have run out of memory"
    else:
        reason = f"ended with exit code {code}: {said}"
    return EngineError(f"{job.key.label}: building the plan {reason}; what it said is in {job.log}")


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "no message")[:300]


def _with_package(python_path: str) -> list[str]:
    """The child finds this very package, installed or not."""
    return [str(_PACKAGE_ROOT), *filter(None, python_path.split(os.pathsep))]
