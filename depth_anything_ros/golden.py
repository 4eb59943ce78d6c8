"""The golden sample: one image and the depth the exporter got for it, which every engine must reproduce at load."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import EngineError, SpecError

if TYPE_CHECKING:
    from .engine import DepthEngine

TOLERANCES = {"fp16": 0.01, "bf16": 0.02, "int8": 0.05}
"""Mean relative difference beyond which a precision is taken for broken rather than rounded."""
COSINE_FROM = 0.999
"""Smallest accepted cosine between the answer and the sample; a ViT engine that went wrong is far below."""
SKY_TOLERANCE = 0.02
"""Share of the pixels that may change between sky and not sky, as their score lies on the threshold."""


@dataclass(frozen=True)
class GoldenSample:
    """One checked input and output."""

    image_hw3: NDArray[np.uint8]
    """RGB at a size that the network takes."""
    depth_hw: NDArray[np.float32]
    """What ``infer`` gives for it: network metres, +Inf where sky."""
    tolerance: float
    """Largest accepted mean relative difference in fp32."""


@dataclass(frozen=True)
class GoldenError:
    """How far an engine is from its golden sample."""

    abs_rel: float
    """Mean of abs(d - d_golden) / d_golden over the pixels that are finite in both."""
    max_rel: float
    sky_changed: float
    """Share of the pixels that are finite in one and not in the other."""
    cosine: float = 1.0
    """Of the two depths as vectors, over the pixels that are finite in both."""


def save_golden(path: str | Path, sample: GoldenSample) -> None:
    """Write a golden sample as .npz: to a temporary name beside ``path`` first, then renamed."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            np.savez_compressed(
                file, image_hw3=sample.image_hw3, depth_hw=sample.depth_hw, tolerance=np.float64(sample.tolerance)
            )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_golden(path: str | Path, sha256: str) -> GoldenSample:
    """Read a golden sample; raises SpecError where it is absent, not the one that the spec names, or malformed."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SpecError(f"no golden sample at {path}, which the spec names") from None
    except OSError as error:
        raise SpecError(f"cannot read the golden sample {path}: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SpecError(f"{path} has the SHA-256 {found[:12]}…, its spec names {sha256[:12]}…")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            image, depth = arrays["image_hw3"], arrays["depth_hw"]
            tolerance = float(arrays["tolerance"])
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise SpecError(f"{path} is not a golden sample: {error}") from error
    if image.dtype != np.uint8 or depth.dtype != np.float32 or image.shape != (*depth.shape, 3) or depth.ndim != 2:
        raise SpecError(
            f"{path} holds image {image.dtype} {image.shape} and depth {depth.dtype} {depth.shape};"
            " accepted: uint8 (h, w, 3) and float32 (h, w)"
        )
    return GoldenSample(image, depth, tolerance)


def measure_golden(engine: DepthEngine, sample: GoldenSample) -> GoldenError:
    """Run the engine on the sample's image and compare."""
    return compare_golden(engine.infer(sample.image_hw3[None])[0], sample, quantity=engine.spec.quantity)


def compare_golden(depth_hw: NDArray[np.float32], sample: GoldenSample, *, quantity: str = "depth") -> GoldenError:
    """How far ``depth_hw`` (h, w) is from the sample's.

    Of values near zero the difference is taken relative to a share of the mean: a hundredth, or a tenth of disparity,
    which is zero wherever a network sees something far.
    """
    finite, expected = np.isfinite(depth_hw), np.isfinite(sample.depth_hw)
    both = finite & expected
    sky_changed = float(np.mean(finite != expected))
    found, wanted = depth_hw[both].astype(np.float64), sample.depth_hw[both].astype(np.float64)
    if wanted.size == 0:
        return GoldenError(0.0, 0.0, sky_changed)
    floor = max((0.1 if quantity == "disparity" else 0.01) * float(wanted.mean()), 1e-6)
    relative = np.abs(found - wanted) / np.maximum(wanted, floor)
    lengths = float(np.linalg.norm(found) * np.linalg.norm(wanted))
    cosine = float(found @ wanted) / lengths if lengths > 0.0 else 0.0
    return GoldenError(float(relative.mean()), float(relative.max()), sky_changed, cosine)


def check_golden(engine: DepthEngine, sample: GoldenSample) -> GoldenError:
    """As ``measure_golden``; raises EngineError where the difference is more than rounding explains."""
    error = measure_golden(engine, sample)
    label = f"{engine.spec.name} on {engine.info.engine} ({engine.info.precision})"
    require_golden(error, sample, engine.info.precision, label)
    return error


def require_golden(error: GoldenError, sample: GoldenSample, precision: str, label: str) -> None:
    """Raise EngineError, which begins with ``label``, where an error is more than the precision explains."""
    limit = max(sample.tolerance, TOLERANCES.get(precision, 0.0))
    if error.abs_rel <= limit and error.sky_changed <= SKY_TOLERANCE and error.cosine >= COSINE_FROM:
        return
    raise EngineError(
        f"{label} misses its golden sample: abs_rel {error.abs_rel:.2g} (accepted {limit:.2g}), cosine"
        f" {error.cosine:.5f} (accepted {COSINE_FROM} and above), {error.sky_changed:.2%} of the pixels changed between"
        f" sky and not sky (accepted {SKY_TOLERANCE:.0%})"
    )
