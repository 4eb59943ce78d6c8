"""``fit``: the one training loop. A step's batch follows from (seed, step) alone, so a killed run goes on unchanged."""

from __future__ import annotations

import contextlib
import copy
import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from depth_anything_ros.errors import ConfigError, OutputError

from .averaging import Average
from .checkpoint import group, load_checkpoint, load_weights, save_checkpoint
from .config import Recipe, recipe_to_dict
from .distributed import Processes, encoder_layers, full
from .fit_config import FitConfig
from .loader import load_batches, to_device
from .objective import BatchSource, Objective
from .optim import build_optimiser, learning_rate_at, set_learning_rate
from .run_dir import RunDir
from .stages import BEST, LAST, fingerprint
from .step_window import StepWindow
from .stop_request import StopRequest
from .tracking import Tracker
from .train_state import averaged_tensors, load_optimiser, load_trained, trained_tensors

_LOG_EVERY = 10
"""Steps between two looks at the losses on a GPU, which has to stop for that."""


def fit(
    objective: Objective, batches: BatchSource, config: FitConfig, recipe: Recipe, stage: str, *, meta: dict[str, Any]
) -> Path:
    """Train ``objective.network`` to ``config.steps`` in the stage's folder, going on where an earlier call stopped.

    Returns ``best.safetensors`` (the averaged weights where the validated ``objective.best`` was smallest), or
    ``last.safetensors`` (all that it takes to go on) where nothing is validated; beside them ``log.jsonl``,
    ``recipe.json``, ``DONE`` and ``tensorboard/``. ``meta`` is added to what the checkpoints say of themselves.

    Only the network is put into training mode; all else of the objective stays as it was made. Random parts are seeded
    by (seed, step, first position of the part), and losses weigh by the number of images, so that one process, several
    and accumulation learn the same up to rounding (but for stochastic depth, which is drawn part by part). The terms of
    a loss must have the same names in every part.

    Ctrl-C and SIGTERM save before they raise ``KeyboardInterrupt``. Raises ``ConfigError`` for a loss or gradient that
    is not finite (the checkpoint before it stays), too little memory, another recipe's or a busy folder;
    ``OutputError`` for a full disk.
    """
    if recipe.compute.threads:
        torch.set_num_threads(recipe.compute.threads)
    processes = Processes(recipe.compute)
    parts = processes.parts(config.batch_size, recipe.compute.accumulate)
    with RunDir(recipe, stage) as folder, StopRequest() as stop:
        processes.wait()
        training = _Training(objective, config, recipe, stage, meta, folder.path, processes, parts)
        try:
            finished = training.run(batches, stop)
        except torch.OutOfMemoryError as error:
            raise ConfigError(
                f"{stage}: {processes.device} has too little memory ({str(error).partition('. ')[0]}); less is needed "
                f"with a smaller batch_size (now {config.batch_size}), compute.accumulate, compute.precision bf16, "
                "compute.checkpoint_activations, or more processes"
            ) from None
        if finished:
            folder.mark_done()
        processes.wait()
    if not finished:
        raise KeyboardInterrupt
    return training.result()


class _Training:
    """The state of one training in one process."""

    def __init__(
        self,
        objective: Objective,
        config: FitConfig,
        recipe: Recipe,
        stage: str,
        meta: dict[str, Any],
        folder: Path,
        processes: Processes,
        parts: list[range],
    ) -> None:
        self._objective, self._config, self._recipe = objective, config, recipe
        self._processes, self._parts, self._folder, self._name = processes, parts, folder, f"{recipe.name} {stage}"
        self._step, self._validated, self._best = 0, 0, math.inf
        tensors = self._read_last()
        processes.place(objective)
        if tensors:
            load_trained(objective, tensors, folder / LAST)
        self._average: Average | None = None
        if not processes.shares_network:
            # On CPUs the decoder's convolutions run 1.4 times as fast in this layout; the numbers stay the same.
            objective.network.to(memory_format=torch.channels_last)
        plain = copy.deepcopy(objective.network)
        if recipe.compute.checkpoint_activations:
            _checkpoint_activations(objective.network)
        if recipe.compute.compile:
            objective.compile()
        self._model = processes.wrap(objective)
        self._optimiser = build_optimiser(objective, config)
        if processes.is_main or processes.shares_network:
            if tensors:
                load_weights(plain, group(tensors, "ema"), folder / LAST)
            self._average = Average(plain, objective.network, config.ema_decay)
            if tensors:
                self._average.restore()
        if tensors:
            load_optimiser(objective, self._optimiser, tensors)
        self._meta = {
            **meta,
            "stage": stage,
            "fingerprint": fingerprint(recipe, stage),
            "recipe": recipe_to_dict(recipe),
            "network": objective.network.config.to_dict(),  # type: ignore[union-attr, operator]
        }

    def run(self, batches: BatchSource, stop: StopRequest) -> bool:
        """Train to the end; False where it was asked to stop before."""
        config, compute = self._config, self._recipe.compute
        figures: dict[str, float] = {}
        # A run that was stopped at a checkpoint has not validated there.
        if self._step and self._is_due() and self._validated != self._step:
            figures = self._validate()
            self._save_last()
        tracker = None
        if self._processes.is_main:
            tracker = Tracker(
                self._folder, step=self._step, steps=config.steps, batch_size=config.batch_size, name=self._name,
                figures=figures, tensorboard=compute.tensorboard,
            )  # fmt: skip
        loaded = load_batches(
            batches, start=self._step, stop=config.steps, parts=self._parts, workers=compute.workers,
            pin=self._processes.device.type == "cuda",
        )  # fmt: skip
        window = StepWindow(self._processes, config)
        try:
            with contextlib.closing(loaded):
                self._loop(loaded, tracker, window, stop)
        finally:
            if tracker:
                tracker.close()
        return self._step >= config.steps

    def result(self) -> Path:
        """The checkpoint to go on from."""
        best = self._folder / BEST
        return best if best.is_file() else self._folder / LAST

    def _loop(self, loaded: Iterator[Any], tracker: Tracker | None, window: StepWindow, stop: StopRequest) -> None:
        self._objective.network.train()
        every = 1 if self._processes.device.type == "cpu" else _LOG_EVERY
        stopped, batch = False, None
        while self._step < self._config.steps and not stopped:
            batch = self._train_step(loaded, window)
            stopped = self._processes.any(stop.requested)
            due = self._is_due()
            entries = window.entries() if due or stopped or self._step % every == 0 else []
            if due and (not stopped or self._step == self._config.steps):
                self._validate_or_save(entries, batch, tracker)
            if tracker and entries:
                tracker.steps(entries)
            if due or stopped:
                self._save_last()

    def _is_due(self) -> bool:
        return self._step % self._config.checkpoint_every == 0 or self._step == self._config.steps

    def _train_step(self, loaded: Iterator[Any], window: StepWindow) -> Any:
        rate = learning_rate_at(self._config, self._step)
        set_learning_rate(self._optimiser, rate)
        self._optimiser.zero_grad(set_to_none=True)
        device, bf16 = self._processes.device, self._recipe.compute.precision == "bf16"
        for part in self._parts:
            batch = to_device(window.wait_for(loaded), device)
            torch.manual_seed(_seed(self._recipe.seed, self._step, part.start))
            last = part is self._parts[-1]
            with contextlib.nullcontext() if last else self._processes.without_exchange(self._model):
                with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                    loss, terms = self._model(batch, self._step)
                share = len(part) / self._config.batch_size
                # Gradients are averaged over the processes.
                self._processes.accelerator.backward(loss * (share * self._processes.count))
            window.add_part(share, {"loss": loss.detach(), **terms})
        limit = self._config.clip_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_([p for p in self._objective.parameters() if p.grad is not None], limit)
        self._optimiser.step()
        if self._average:
            self._average.update(self._objective.network, self._step)
        self._step += 1
        window.end_step(self._step, rate, full(norm))
        return batch

    def _validate_or_save(self, entries: list[dict[str, float]], batch: Any, tracker: Tracker | None) -> None:
        """Add the figures to the last entry. An error of the held-out samples costs none of the steps before it: the
        run goes on with looking at them again.
        """
        try:
            entries[-1] |= self._validate(batch, tracker)
        except Exception:
            # What processes share takes all of them to save, and the others do not know.
            if not self._processes.shares_network:
                with contextlib.suppress(OutputError):
                    if tracker:
                        tracker.steps(entries)
                    self._save_last()
            raise

    def _validate(self, batch: Any = None, tracker: Tracker | None = None) -> dict[str, float]:
        tensors = averaged_tensors(self._objective, self._average)
        figures: dict[str, float] = {}
        with self._processes.whole(self._model), torch.no_grad():
            if self._processes.is_main and self._average:
                figures = self._objective.validate(self._average.network)
                if tracker:
                    tracker.pictures(self._step, self._objective.pictures(self._average.network, batch))
        if self._processes.is_main:
            best = self._objective.best
            if best and figures and figures[best] < self._best:
                self._best = float(figures[best])
                save_checkpoint(self._folder / BEST, tensors, {**self._meta, "step": self._step, "figures": figures})
        self._validated = self._step
        self._processes.wait()
        return figures

    def _save_last(self) -> None:
        tensors = averaged_tensors(self._objective, self._average)
        tensors |= trained_tensors(self._objective, self._optimiser)
        if self._processes.is_main:
            best = self._best if self._best < math.inf else None
            progress = {"step": self._step, "best": best, "validated_step": self._validated}
            save_checkpoint(self._folder / LAST, tensors, {**self._meta, **progress})
        self._processes.wait()

    def _read_last(self) -> dict[str, torch.Tensor]:
        path = self._folder / LAST
        tensors: dict[str, torch.Tensor] = {}
        if path.exists():
            tensors, meta = load_checkpoint(path)
            self._step, self._validated = int(meta["step"]), int(meta["validated_step"])
            self._best = math.inf if meta["best"] is None else float(meta["best"])
        if not self._processes.same(self._step):
            raise ConfigError(f"{path}: not every process sees the same one; a folder that all nodes share is needed")
        if self._step > self._config.steps:
            raise ConfigError(f"steps {self._config.steps}: {path} is at step {self._step} already")
        return tensors


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _checkpoint_activations(network: nn.Module) -> None:
    layers = encoder_layers(network)
    if not layers:
        raise ConfigError("checkpoint_activations true: this network has no encoder of blocks to compute again")
    for layer in layers:
        layer.forward = functools.partial(checkpoint, layer.forward, use_reentrant=False)
