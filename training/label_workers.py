"""Who labels the shards: this process, or one Ray actor per device."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from depth_anything_ros.errors import DepthAnythingError, EngineError, MissingDependency, OutputError

from .shard_labeller import LabelJob, ShardLabeller
from .unlabelled import ContentHashes

CONTENTS = "contents.sqlite"
"""File of what was labelled already, in the stage's folder."""
RAY_ADDRESS = "RAY_ADDRESS"
"""Variable with the address of a Ray cluster that is running; without it workers are started on this machine."""

_LOOK_EVERY_S = 1.0


def label_shards(job: LabelJob, shards: Sequence[int], workers: int, on_progress: Callable[[int], object]) -> None:
    """Label ``shards``, by ``workers`` actors (0: one per GPU, or one); one worker is this process, without Ray.

    ``on_progress`` is told how many images more were dealt with. A shard that was begun and not finished leaves
    nothing. Raises what the first failing shard raised, as OutputError or EngineError.
    """
    if not shards:
        return
    cluster = bool(os.environ.get(RAY_ADDRESS))
    workers = workers or (0 if cluster else max(1, torch.cuda.device_count()))
    if workers == 1 and not cluster:
        threads = job.threads or len(os.sched_getaffinity(0))
        with (
            contextlib.closing(ContentHashes(Path(job.folder) / CONTENTS)) as contents,
            ShardLabeller(dataclasses.replace(job, threads=threads), contents.claim) as labeller,
        ):
            for shard in shards:
                labeller.label(shard, on_progress)
        return
    # The actors get the memory of the devices that a training before, in this process, has kept for itself.
    gc.collect()
    torch.cuda.empty_cache()
    with _ray(workers) as ray:
        _label_with_ray(ray, job, shards, workers, on_progress)


def _label_with_ray(
    ray: Any, job: LabelJob, shards: Sequence[int], workers: int, on_progress: Callable[[int], object]
) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    workers = min(workers or max(1, gpus), len(shards))
    threads = job.threads or max(1, int(resources.get("CPU", 1)) // workers)
    job = dataclasses.replace(job, threads=threads)
    # One process has the file, here, where its disk is: file locks over a network cannot be trusted.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    contents = (
        ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(ContentHashes)
        .options(scheduling_strategy=here)
        .remote(Path(job.folder) / CONTENTS)
    )
    counter = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Counter).remote()
    # A block is what one call gets and what comes back at once: one shard.
    rows = ray.data.from_items([{"shard": shard} for shard in shards], override_num_blocks=len(shards))
    labelled = rows.map_batches(
        _Worker,
        fn_constructor_args=(job, contents, counter),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=0 if gpus else 1,
        num_gpus=1 / -(-workers // gpus) if gpus else 0,
    )
    with _Watch(ray, counter, on_progress) as watch:
        for row in labelled.iter_rows():
            if row["problem"]:
                kind = OutputError if row["kind"] == OutputError.__name__ else EngineError
                raise kind(row["problem"])
            watch.finished += int(row["images"])


class _Counter:
    """One actor: how many images all workers have dealt with."""

    def __init__(self) -> None:
        self._images = 0

    def add(self, images: int) -> None:
        """Told by the workers, some batches at a time."""
        self._images += images

    def images(self) -> int:
        """Until now, those of shards that were begun again twice."""
        return self._images


class _Watch:
    """Tells ``on_progress`` of the counter while this thread waits for a whole shard, and in the end of ``finished``
    alone, which is exact. A context manager.
    """

    def __init__(self, ray: Any, counter: Any, on_progress: Callable[[int], object]) -> None:
        self.finished = 0
        self._ray, self._counter, self._on_progress = ray, counter, on_progress
        self._told, self._end = 0, threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()
        self._on_progress(self.finished - self._told)

    def _run(self) -> None:
        while not self._end.wait(_LOOK_EVERY_S):
            try:
                images = self._ray.get(self._counter.images.remote(), timeout=_LOOK_EVERY_S)
            except self._ray.exceptions.RayError:
                continue
            self._on_progress(images - self._told)
            self._told = images


class _Worker:
    """One actor: a loaded teacher. Problems are values, as an error would arrive wrapped in the actor's traceback."""

    def __init__(self, job: LabelJob, contents: Any, counter: Any) -> None:
        import ray

        def claim(hashes: Sequence[bytes], positions: Sequence[int]) -> list[bool]:
            try:
                granted: list[bool] = ray.get(contents.claim.remote(list(hashes), list(positions)))
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            return granted

        self._tell = counter.add.remote
        self._labeller: ShardLabeller | None = None
        self._problem: DepthAnythingError | None = None
        try:
            self._labeller = ShardLabeller(job, claim)
        except DepthAnythingError as error:
            self._problem = error

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        images, problem = 0, self._problem
        if self._labeller is not None:
            try:
                images = self._labeller.label(int(batch["shard"][0]), self._tell)["images"]
            except DepthAnythingError as error:
                problem = error
        kind = type(problem).__name__ if problem else ""
        return {
            "images": np.array([images]),
            "problem": np.array([str(problem or "")]),
            "kind": np.array([kind]),
        }


@contextlib.contextmanager
def _ray(workers: int) -> Iterator[Any]:
    """Ray: the cluster of RAY_ADDRESS, or one of its own on this machine that nobody else can reach."""
    # Both are read when Ray is imported. Nothing is reported to anybody whom the user has not named.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not os.environ.get(RAY_ADDRESS):
        # In spite of its name it is what keeps Ray to the loopback address, on every system.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingDependency("ray", "train") from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    started = not ray.is_initialized()
    if started and os.environ.get(RAY_ADDRESS):
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    elif started:
        ray.init(
            num_cpus=max(workers + 1, os.cpu_count() or 1),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    # It warns of what is chosen here: its own progress bars are off.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield ray
    finally:
        if started:
            ray.shutdown()
