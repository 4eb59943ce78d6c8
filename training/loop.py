"""``fit``: the one training loop. A step's batch follows from (seed, step), so a killed run goes on unchanged."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.networks import DepthNetwork, NetworkConfig, build_network

from .batches import Batch, BatchStream
from .checkpoint import group, load_checkpoint, load_weights, save_checkpoint
from .config import TrainConfig, config_to_dict
from .losses import gradient_matching_loss, scale_loss, silog_loss, sky_loss


def batch_loss(network: DepthNetwork, batch: Batch, config: TrainConfig) -> tuple[torch.Tensor, dict[str, float]]:
    """The weighted sum of the losses on one batch, and its parts for the log."""
    log_depth, sky_logit = network.logits(batch.image_nhw3)
    shape = silog_loss(log_depth, batch.log_depth_nhw, batch.valid_nhw, variance_focus=config.variance_focus)
    scale = scale_loss(log_depth, batch.log_depth_nhw, batch.valid_nhw)
    edges = gradient_matching_loss(log_depth, batch.log_depth_nhw, batch.valid_nhw)
    sky = sky_loss(sky_logit, batch.sky_nhw, batch.sky_known_nhw)
    total = shape + config.scale_weight * scale + config.gradient_weight * edges + config.sky_weight * sky
    return total, {"silog": shape.item(), "scale": scale.item(), "gradient": edges.item(), "sky": sky.item()}


def fit(
    config: TrainConfig, run_dir: Path, *, validate: Callable[[DepthNetwork], dict[str, float]] | None = None
) -> Path:
    """Train to ``config.steps`` and return the checkpoint ``run_dir/last.safetensors``.

    A checkpoint that is already there is continued, with the optimiser, the averaged weights and the position in the
    data; another recipe's is refused. Ctrl-C and SIGTERM save before they end the run. ``validate`` is called with the
    averaged network at every checkpoint; its figures go to ``log.jsonl``.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    path = run_dir / "last.safetensors"
    # On CPUs the decoder's convolutions run 1.4 times as fast in this layout; the numbers stay the same.
    network = build_network(NetworkConfig.from_dict(config.network), seed=config.seed).to(
        memory_format=torch.channels_last
    )
    average = build_network(NetworkConfig.from_dict(config.network), seed=config.seed).eval().requires_grad_(False)
    optimiser = _optimiser(network, config)
    step = _restore(path, config, network, average, optimiser)
    stream = BatchStream(config)
    stop = _StopRequest()
    started, log = time.monotonic(), run_dir / "log.jsonl"
    with (
        ThreadPoolExecutor(max_workers=1) as loader,
        tqdm(total=config.steps, initial=step, desc=config.name, unit="step", dynamic_ncols=True) as progress,
    ):
        # The next batch is made while this one is learnt from, or a core would wait for it.
        upcoming = loader.submit(stream.batch, step)
        while step < config.steps and not stop.requested:
            for option in optimiser.param_groups:
                option["lr"] = config.learning_rate_at(step)
            network.train()
            torch.manual_seed(hash((config.seed, step)) % 2**31)
            batch, upcoming = upcoming.result(), loader.submit(stream.batch, step + 1)
            loss, parts = batch_loss(network, batch, config)
            if not math.isfinite(loss.item()):
                raise ConfigError(
                    f"step {step}: the loss is {loss.item()}; lower learning_rate (now {config.learning_rate})"
                )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
            optimiser.step()
            _average(average, network, min(config.ema_decay, (step + 1) / (step + 10)))
            step += 1
            progress.update()
            progress.set_postfix(loss=f"{loss.item():.3f}", **{key: f"{value:.3f}" for key, value in parts.items()})
            if step % config.checkpoint_every == 0 or step == config.steps or stop.requested:
                _save(path, config, step, network, average, optimiser)
                figures = validate(average) if validate and not stop.requested else {}
                seconds = round(time.monotonic() - started, 1)
                _log(log, {"step": step, "seconds": seconds, "loss": loss.item(), **parts, **figures})
    stop.restore()
    if step < config.steps:
        raise KeyboardInterrupt
    return path


def _optimiser(network: DepthNetwork, config: TrainConfig) -> torch.optim.AdamW:
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99))


def _average(average: DepthNetwork, network: DepthNetwork, decay: float) -> None:
    with torch.no_grad():
        torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)


def _save(
    path: Path,
    config: TrainConfig,
    step: int,
    network: DepthNetwork,
    average: DepthNetwork,
    optimiser: torch.optim.AdamW,
) -> None:
    tensors = {f"net.{key}": value for key, value in network.state_dict().items()}
    tensors |= {f"ema.{key}": value for key, value in average.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
    meta = {"step": step, "network": network.config.to_dict(), "recipe": config_to_dict(config)}
    save_checkpoint(path, tensors, meta)


def _restore(
    path: Path, config: TrainConfig, network: DepthNetwork, average: DepthNetwork, optimiser: torch.optim.AdamW
) -> int:
    if not path.exists():
        if config.init:
            tensors, _ = load_checkpoint(Path(config.init))
            load_weights(network, group(tensors, "ema"), Path(config.init))
            average.load_state_dict(network.state_dict())
        return 0
    tensors, meta = load_checkpoint(path)
    stored, wanted = meta["recipe"], json.loads(json.dumps(config_to_dict(config)))
    free = {"steps", "threads", "checkpoint_every", "description"}
    changed = sorted(key for key in wanted if key not in free and stored.get(key) != wanted[key])
    if changed:
        raise ConfigError(
            f"{path.parent} holds a run with other values of {', '.join(changed)}; take another --out or restore them"
        )
    load_weights(network, group(tensors, "net"), path)
    load_weights(average, group(tensors, "ema"), path)
    blank = optimiser.state_dict()
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in group(tensors, "optimiser").items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": blank["param_groups"]})
    return int(meta["step"])


def _log(path: Path, entry: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


class _StopRequest:
    """Turns the first SIGINT or SIGTERM into a request to save and stop at the end of the step."""

    def __init__(self) -> None:
        self.requested = False
        self._previous = {number: signal.signal(number, self._set) for number in (signal.SIGINT, signal.SIGTERM)}

    def _set(self, *_: object) -> None:
        self.requested = True
        self.restore()

    def restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
