"""The process that builds one TensorRT plan, as ``plan_build`` starts it.

Standard input holds the job, one line of JSON, and stays open as long as the parent lives. Standard output gets lines
of JSON: ``{"what": ..., "done": 0.3}`` while it works, then ``{"built": ...}`` or ``{"failed": ..., "cause": ...}``.
What TensorRT says goes to standard error.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..engine import read_artifact
from ..errors import DepthAnythingError, EngineError, MissingDependency
from ..spec import EngineSpec, spec_from_dict
from .cuda.seam import CudaError, open_cuda
from .plan_key import PlanKey, key_from_dict
from .tensorrt_api import BUILD_NAMES, TensorRt, find_tensorrt, is_out_of_memory

Tell = Callable[[dict[str, Any]], None]
_NO_KERNEL = re.compile(r"could not find any implementation", re.IGNORECASE)
"""What TensorRT says where no kernel exists, and where it tried none for want of memory, of which it only warns."""
_TELL_EVERY_S = 0.25
_POLITENESS = 10
"""Added to the process's niceness: a robot has other work to do."""
_SHOWN_MESSAGES = 3
_TEMPORARY_FILES = 4
"""Size of what making a graph writes on the way, in files of the network's size; one more is the plan's."""


class BuildFailed(EngineError):
    """No plan; ``cause`` is one of ``plan_build.CAUSES``."""

    def __init__(self, cause: str, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause


def main() -> int:
    """Do the job on standard input; the exit code is 0 where a plan was built."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # libraries print where they like

    def tell(answer: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(answer), file=answers, flush=True)

    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(OSError):
        os.nice(_POLITENESS)
    try:
        tell({"built": do_job(job, tell)})
    except BuildFailed as failed:
        tell({"failed": str(failed), "cause": failed.cause})
        return 1
    except CudaError as failed:
        tell({"failed": str(failed), "cause": "memory" if failed.kind == "memory" else "other"})
        return 1
    except DepthAnythingError as failed:
        tell({"failed": str(failed), "cause": "other"})
        return 1
    except MemoryError:
        tell({"failed": "not enough memory", "cause": "memory"})
        return 1
    except OSError as failed:
        if failed.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        tell({"failed": f"cannot write the plan: {failed.strerror}", "cause": "disk"})
        return 1
    return 0


def do_job(job: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Make the graph, build the plan and write it; returns its "sha256" and "bytes".

    Raises BuildFailed, CudaError where the device cannot be used, OSError where nothing can be written.
    """
    spec, key = spec_from_dict(job["spec"]), key_from_dict(job["key"])
    if key is None:
        raise ValueError(f"not a key: {job['key']}")
    tensorrt = find_tensorrt()
    tensorrt.require(BUILD_NAMES)
    cuda = open_cuda(job["device"])
    try:
        tell({"what": "making the graph"})
        graph = _graph(read_artifact(Path(job["artifact"]), spec), spec, key)
        with cuda.current():
            plan = build(tensorrt, graph, spec.input_name, key, Path(job["timing_cache"]), tell)
    finally:
        cuda.close()
    _write(Path(job["plan"]), plan)
    return {"sha256": hashlib.sha256(plan).hexdigest(), "bytes": len(plan)}


def _graph(data: bytes, spec: EngineSpec, key: PlanKey) -> bytes:
    """The graph of the key's rung; raises BuildFailed, whose cause is the network only where nothing else was short."""
    try:
        # By name, so that what only runs plans needs no onnx.
        graphs = importlib.import_module("depth_anything_ros.graphs")
    except ModuleNotFoundError as error:
        raise MissingDependency(error.name or "onnx", "tensorrt") from error
    folder, needed = tempfile.gettempdir(), _TEMPORARY_FILES * len(data)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BuildFailed("disk", f"{folder} has {free / 1e6:.0f} MB free, and {needed / 1e6:.0f} MB are needed")
    try:
        batch = key.max_batch if key.max_batch == 1 else None
        made: bytes = graphs.make_graph(data, spec, key.rung, shape=(batch, key.height, key.width))
    except EngineError as error:
        cause = "memory" if is_out_of_memory(str(error)) else "network"
        raise BuildFailed(cause, f"no graph can be made: {error}") from error
    return made


def build(tensorrt: TensorRt, graph: bytes, input_name: str, key: PlanKey, timing_cache: Path, tell: Tell) -> bytes:
    """The serialised plan of an ONNX graph; raises BuildFailed. The device is current in this thread."""
    trt, logger = tensorrt.module, tensorrt.logger
    logger.forget()
    builder = trt.Builder(logger)
    network = builder.create_network(tensorrt.network_flags())
    network.name = f"{key.network} {key.rung}"  # shown by TensorRT's own tools
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        found = [parser.get_error(i).desc() for i in range(min(parser.num_errors, _SHOWN_MESSAGES))]
        raise BuildFailed("network", f"{tensorrt} cannot read the graph: {'; '.join(found) or 'no reason given'}")
    config = builder.create_builder_config()
    # Of fp32 all digits count: it is the last resort, and what the fp16 graph keeps in fp32 is kept for a reason.
    config.clear_flag(trt.BuilderFlag.TF32)
    if key.workspace_mb:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, key.workspace_mb << 20)
    if key.max_batch > 1:
        profile = builder.create_optimization_profile()
        largest = (key.max_batch, key.height, key.width, 3)
        profile.set_shape(input_name, (1, *largest[1:]), largest, largest)
        if config.add_optimization_profile(profile) < 0:
            raise BuildFailed(
                "network", f"{tensorrt} refuses batches: {'; '.join(logger.errors()) or 'no reason given'}"
            )
    monitor = _monitor(trt, tell)  # the builder holds no reference of its own
    config.progress_monitor = monitor
    known = config.create_timing_cache(timing_cache.read_bytes() if timing_cache.is_file() else b"")
    if known is None or not config.set_timing_cache(known, False):  # damaged, or of another machine
        config.set_timing_cache(config.create_timing_cache(b""), False)
    plan = builder.build_serialized_network(network, config)
    for text in (*logger.warnings(), *logger.errors()):
        print(text, file=sys.stderr)
    if plan is None:
        raise _no_plan(tensorrt)
    timings = config.get_timing_cache()
    if timings is not None:
        with contextlib.suppress(OSError):  # without it the next build takes longer, no more
            _write(timing_cache, bytes(timings.serialize()))
    return bytes(plan)


def _no_plan(tensorrt: TensorRt) -> BuildFailed:
    errors, warnings = tensorrt.logger.errors(), tensorrt.logger.warnings()
    short = [text for text in errors if is_out_of_memory(text)]
    if any(_NO_KERNEL.search(text) for text in errors):
        short += [text for text in warnings if is_out_of_memory(text)][-1:]
    texts = list(dict.fromkeys([*errors[-_SHOWN_MESSAGES:], *short[-1:]]))
    reason = f"{tensorrt} builds no plan: {'; '.join(texts) or 'no reason given'}"
    return BuildFailed("memory" if short else "network", reason)


def _monitor(trt: Any, tell: Tell) -> Any:
    """Tells how far a build is. TensorRT calls it from several threads, for phases inside phases."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._lock = threading.Lock()
            self._phases: dict[str, tuple[str | None, int, int]] = {}
            self._told_s = 0.0

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                self._phases[phase_name] = (parent_phase, max(num_steps, 1), 0)

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                parent, total, _ = self._phases.get(phase_name, (None, 1, 0))
                self._phases[phase_name] = (parent, total, step + 1)
                now_s = time.monotonic()
                if now_s - self._told_s >= _TELL_EVERY_S:
                    self._told_s = now_s
                    tell({"what": phase_name, "done": self._share(None)})
            return True

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                self._phases.pop(phase_name, None)

        def _share(self, parent: str | None) -> float:
            """Share of the work that is done in the phases below ``parent`` (0 to 1)."""
            shares = [
                min((done + self._share(name)) / total, 1.0)
                for name, (above, total, done) in self._phases.items()
                if (above or None) == parent and name != parent
            ]
            return max(shares, default=0.0)

    return Monitor()


def _write(path: Path, data: bytes) -> None:
    """Write a file of this user alone; it is whole on the disk when this returns, or it is not there."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _end_with_parent() -> None:
    os.read(0, 1)  # returns when the last holder of the other end has gone
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
