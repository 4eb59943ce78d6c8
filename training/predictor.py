"""``open_predictor``: a checkpoint, of training or published, or an exported engine, asked in the same way.

Evaluation, pseudo-labelling and fine-tuning go through here, so that none of them knows which of them it has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray

from depth_anything_ros.engine import load_engine, resolve_artifact
from depth_anything_ros.errors import ConfigError, EngineError
from depth_anything_ros.licences import accept_spec
from depth_anything_ros.networks import DepthNetwork
from depth_anything_ros.networks.checkpoint import weights_file
from depth_anything_ros.networks.weights import checked_weights, load_weights
from depth_anything_ros.spec import EngineSpec, ResizeRule, load_spec, sha256_of, spec_path_of

from .start_weights import MEANINGS, is_weights, open_weights


@dataclass(frozen=True)
class Predictor:
    """A network that is ready to run, and what its numbers mean. A context manager."""

    name: str
    sha256: str
    """Of the file with the weights; empty for an engine without any."""
    quantity: str
    """depth, or disparity (up to scale and shift, larger is nearer)."""
    meaning: str
    """metric_canonical (metres at ``canonical_focal_px``), metric_fixed (metres of the training camera) or relative."""
    canonical_focal_px: float | None
    """Focal length [px of the network's input] that metric_canonical depths refer to; None for the others."""
    resize: ResizeRule
    """How a camera's image becomes the input that the network is meant to have."""
    trained_frames: tuple[str, ...]
    """Fingerprints (``fingerprint.image_dhash``) of the real frames that it was trained on."""
    max_batch: int | None
    """Largest batch that the network takes at once; None for any. ``predict`` takes more and splits them."""
    run: Callable[[NDArray[np.uint8]], NDArray[np.float32]] = field(repr=False)
    """One batch of at most ``max_batch`` through the network."""
    close: Callable[[], None] = field(repr=False)
    """Free the network; calling it twice is fine."""

    def predict(self, images_nhw3: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, h, w) float32 of RGB images (n, h, w, 3) uint8, both sides multiples of ``resize.multiple``.

        Depth is the network's own, before any focal scaling, and +Inf where it sees sky; disparity has no sky of its
        own. Raises EngineError for another type or shape.
        """
        shape, multiple = images_nhw3.shape, self.resize.multiple
        if (
            images_nhw3.dtype != np.uint8
            or len(shape) != 4
            or shape[3] != 3
            or any(side % multiple for side in shape[1:3])
        ):
            accepted = f"uint8 (n, h, w, 3), h and w multiples of {multiple}"
            raise EngineError(f"{self.name} got {images_nhw3.dtype} {shape}; accepted: {accepted}")
        if shape[0] == 0:
            return np.empty(shape[:3], np.float32)
        size = self.max_batch or shape[0]
        return np.concatenate([self.run(images_nhw3[start : start + size]) for start in range(0, shape[0], size)])

    def disparity(self, images_nhw3: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As ``predict``, as disparity whatever the quantity: 1 / depth, 0 where sky, NaN where there is no depth."""
        values = self.predict(images_nhw3)
        if self.quantity == "disparity":
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(values > 0, np.float32(1) / values, np.float32("nan")), np.float32)

    def __enter__(self) -> Predictor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_predictor(path: Path | str, *, device: str = "", precision: str = "auto", threads: int = 0) -> Predictor:
    """The network of a checkpoint (.safetensors), a published one (.pth, .bin, a folder of transformers), or whatever
    ``load_engine`` opens: an .onnx with its spec, its folder, the name of a fetched network, ``starter``.

    Parameters
    ----------
    device: ``cpu``, ``cuda`` or ``cuda:N``; empty takes CUDA where there is a device and PyTorch can run the network
        there (a checkpoint, or an engine with torch weights), else the CPU.
    precision: auto (fp32 by PyTorch, the engine's own choice on the CPU), or what is taken there: fp32 and bf16
        (autocast) by PyTorch.
    threads: CPU threads; 0 leaves it to the runtime.

    Raises ConfigError for a checkpoint that is absent or foreign or for a device that there is not, and what
    ``load_engine`` raises.
    """
    if is_weights(path):
        return _open_checkpoint(Path(path), device, precision, threads)
    return _open_engine(path, device, precision, threads)


def model_sha256(path: Path | str) -> str:
    """``Predictor.sha256`` of what ``open_predictor`` would open, without opening it. Raises as that does."""
    if is_weights(path):
        return sha256_of(weights_file(Path(path)))
    return load_spec(spec_path_of(resolve_artifact(path))).artifact_sha256


def network_predictor(
    network: DepthNetwork,
    rule: ResizeRule,
    *,
    name: str = "network",
    precision: str = "fp32",
    sky_threshold: float = EngineSpec.sky_threshold,
) -> Predictor:
    """A network that is in memory already, in evaluation mode, on the device where it is; ``precision`` is fp32 or bf16
    (autocast).
    """
    config = network.config
    device = next(network.parameters()).device

    def run(images_nhw3: NDArray[np.uint8]) -> NDArray[np.float32]:
        batch = torch.from_numpy(np.ascontiguousarray(images_nhw3)).to(device)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            outputs = network(batch)
        values = outputs[0].float()
        if config.has_sky:
            values = values.masked_fill(outputs[1] > sky_threshold, float("inf"))
        return np.asarray(values.cpu().numpy(), np.float32)

    meaning = MEANINGS[config.head]
    return Predictor(
        name=name,
        sha256="",
        quantity="disparity" if meaning == "relative" else "depth",
        meaning=meaning,
        canonical_focal_px=config.canonical_focal_px if meaning == "metric_canonical" else None,
        resize=rule,
        trained_frames=(),
        max_batch=None,
        run=run,
        close=lambda: None,
    )


def _open_checkpoint(path: Path, device: str, precision: str, threads: int) -> Predictor:
    weights = open_weights(path)
    chosen, sky = _torch_device(device), weights.sky_threshold
    made = _on_device(weights.load(), weights.resize, str(path), chosen, precision, threads, sky)
    return dataclasses.replace(
        made,
        sha256=model_sha256(path),
        quantity=weights.quantity,
        meaning=weights.meaning,
        canonical_focal_px=made.canonical_focal_px if weights.meaning == "metric_canonical" else None,
        trained_frames=tuple(weights.meta.get("trained_frames", ())),
    )


def _open_engine(path: Path | str, device: str, precision: str, threads: int) -> Predictor:
    chosen = _torch_device(device)
    if chosen.type == "cuda":
        artifact = resolve_artifact(path)
        spec = accept_spec(load_spec(spec_path_of(artifact)), ())
        if spec.torch_weights:
            return _open_weights(checked_weights(artifact, spec), spec, str(path), chosen, precision, threads)
        if device:
            raise ConfigError(f"device {device}: {path} has no torch weights; cpu is accepted, or its checkpoint")
    engine = load_engine(path, precision=precision, threads=threads or None)
    spec = engine.spec
    return Predictor(
        name=str(path),
        sha256=spec.artifact_sha256,
        quantity=spec.quantity,
        meaning=spec.meaning,
        canonical_focal_px=spec.canonical_focal_px if spec.meaning == "metric_canonical" else None,
        resize=spec.resize,
        trained_frames=spec.trained_frames,
        max_batch=spec.max_batch,
        run=engine.infer,
        close=engine.close,
    )


def _open_weights(
    weights: Path, spec: EngineSpec, name: str, device: torch.device, precision: str, threads: int
) -> Predictor:
    """The network of an engine by PyTorch: batches of any size and shape, without a graph for each."""
    made = _on_device(load_weights(weights), spec.resize, name, device, precision, threads, spec.sky_threshold)
    return dataclasses.replace(
        made,
        sha256=spec.artifact_sha256,
        quantity=spec.quantity,
        meaning=spec.meaning,
        trained_frames=spec.trained_frames,
    )


def _on_device(
    network: DepthNetwork, rule: ResizeRule, name: str, device: torch.device, precision: str, threads: int,
    sky_threshold: float = EngineSpec.sky_threshold,
) -> Predictor:  # fmt: skip
    if precision not in ("auto", "fp32", "bf16"):
        raise ConfigError(f"precision {precision!r}: auto, fp32 or bf16 is accepted by PyTorch")
    if threads:
        torch.set_num_threads(threads)
    chosen = "bf16" if precision == "bf16" else "fp32"
    return network_predictor(network.to(device), rule, name=name, precision=chosen, sky_threshold=sky_threshold)


def _torch_device(name: str) -> torch.device:
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError:
        raise ConfigError(f"device {name!r}: cpu, cuda or cuda:N is accepted") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r}: cpu, cuda or cuda:N is accepted")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name}: this machine has {torch.cuda.device_count()} CUDA devices")
    return device
