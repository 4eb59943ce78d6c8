"""Converting weights in another process: what torch took is given back, and this process lives if memory runs out."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .. import errors
from ..engine_options import Report
from ..errors import DepthAnythingError, EngineError, MissingDependency
from ..spec import EngineSpec, spec_from_dict

CHILD = "depth_anything_ros.fetch.conversion_child"
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_REPORT_EVERY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class ConversionJob:
    """What ``networks.convert.convert`` is to be called with."""

    source: Path
    model: str | None
    """Name of the known model; None: to be recognised."""
    out: Path
    accept: Sequence[str]
    torch_weights: bool

    def to_json(self) -> str:
        """One line for the child."""
        paths = {"source": str(self.source), "out": str(self.out)}
        return json.dumps({**vars(self), **paths, "accept": list(self.accept)})


def run_conversion(job: ConversionJob, tell: Report) -> EngineSpec:
    """Convert in a child process and return the spec of what it wrote into ``job.out``.

    ``tell`` is called at least about once a second; what it raises ends the child. Raises what the conversion raised,
    and EngineError where the child ended without an answer.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(_with_package(os.environ.get("PYTHONPATH", "")))}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the parent, which then ends the child
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(job.to_json().encode() + b"\n")
            process.stdin.flush()  # left open: its end tells the child that its parent has gone
            what, fraction = f"converting {job.source.name}", None
            for answer in _answers(process.stdout):
                if "spec" in answer:
                    return spec_from_dict(answer["spec"])
                if "error" in answer:
                    raise _error(answer)
                what, fraction = answer.get("what", what), answer.get("fraction", fraction)
                tell(what, fraction)
            raise _sudden_end(process.wait(), log)
        except BrokenPipeError:
            raise _sudden_end(process.wait(), log) from None
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def _answers(pipe: IO[bytes]) -> Iterator[dict[str, Any]]:
    """The child's answers until it ends; an empty one about once a second without any."""
    waiting = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(_REPORT_EVERY_S):
                yield {}
                continue
            data = os.read(pipe.fileno(), 65536)
            if not data:
                return
            *lines, waiting = (waiting + data).split(b"\n")
            yield from (json.loads(line) for line in lines)


def _error(answer: dict[str, Any]) -> DepthAnythingError:
    """The error that the child raised, of the same class where it is one of this package."""
    if answer["error"] == MissingDependency.__name__:
        return MissingDependency(*answer["arguments"])
    kind = getattr(errors, answer["error"], None)
    if isinstance(kind, type) and issubclass(kind, DepthAnythingError):
        return kind(answer["message"])
    return EngineError(f"the conversion failed: {answer['error']}: {answer['message']}")


def _sudden_end(code: int, log: IO[bytes]) -> EngineError:
    """What to say of a child that ended without an answer."""
    if code < 0:
        name = signal.Signals(-code).name
        hint = "; the system has most likely run out of memory" if -code == signal.SIGKILL else ""
        return EngineError(f"the conversion was ended by {name}{hint}")
    log.seek(0)
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return EngineError(f"the conversion ended with exit code {code}: {lines[-1][:300] if lines else 'no message'}")


def _with_package(python_path: str) -> list[str]:
    """The child finds this very package, installed or not."""
    return [str(_PACKAGE_ROOT), *filter(None, python_path.split(os.pathsep))]
