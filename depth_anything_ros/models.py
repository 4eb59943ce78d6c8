"""The checkpoints of the Depth Anything family that are known by name: where they are, what they are, what they mean.

Facts are those of the official repositories (Depth-Anything, Depth-Anything-V2, Depth-Anything-3) and of their model
cards. A licence is ``unclear`` where its authors contradict each other or have left the question open.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from .errors import ConfigError
from .spec import Licence, ResizeRule

SIZES = ("small", "base", "large")
NUM_PARAMETERS = {"small": 24_785_089, "base": 97_470_785, "large": 335_315_649}
"""Of V1 and V2; Depth Anything 3's large ones add a sky head."""
LAYERS = {"small": 12, "base": 12, "large": 24}
HYPERSIM_FOCAL_PX = 886.81 * 518 / 768
"""Focal length of Hypersim's camera (886.81 px at 1024x768) at a short side of 518 [px]."""
VKITTI_FOCAL_PX = 725.0 * 518 / 375
"""Focal length of Virtual KITTI 2's camera (725 px at 1242x375) at a short side of 518 [px]."""
DA3_CANONICAL_FOCAL_PX = 300.0
DA3_SKY_THRESHOLD = 0.3
"""Sky is where the sky output is not below this: official code, ``non-sky = sky < 0.3``."""

_OFFICIAL = ResizeRule(kind="short_side", side=518)
_TRANSFORMERS = ResizeRule(kind="closest_side", side=518)
_DA3 = ResizeRule(kind="long_side", side=504, interpolation="cubic_or_area")


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """One checkpoint. ``name`` is what a user types; upper and lower case are the same."""

    name: str
    title: str
    family: str
    """v1, v2 or da3: which layers feed the decoder, which keys the weights have."""
    size: str
    """small (ViT-S), base (ViT-B) or large (ViT-L)."""
    taps: tuple[int, int, int, int]
    """Zero-based encoder layers that feed the decoder."""
    head: str
    """relu (disparity), sigmoid (times ``max_depth_m``), or exp (with a sky output)."""
    meaning: str
    quantity: str
    min_depth_m: float
    max_depth_m: float
    resize: ResizeRule
    """The rule of the official code."""
    hub_id: str
    """Repository of the official weights on the Hugging Face hub."""
    hub_file: str
    licence: Licence
    hub_size_bytes: int
    """Size of ``hub_file``, as near as it is known: for the progress and for what a disk must hold."""
    canonical_focal_px: float | None = None
    training_focal_px: float | None = None
    sky_threshold: float | None = None
    """None: there is no sky output."""
    transformers_id: str | None = None
    """Repository of the same weights in the layout of transformers ("-hf"), whose own resize rule differs."""
    onnx_id: str | None = None
    """Repository of a ready ONNX file (NCHW, normalised input), and its path there."""
    onnx_file: str | None = None

    @property
    def transformers_resize(self) -> ResizeRule:
        """The rule of the image processor that goes with ``transformers_id``."""
        return self.resize if self.family == "da3" else _TRANSFORMERS

    @property
    def hub_ids(self) -> tuple[str, ...]:
        """Every hub id that means this checkpoint."""
        return tuple(filter(None, (self.hub_id, self.transformers_id)))


def _taps(family: str, size: str) -> tuple[int, int, int, int]:
    """V1 takes the last four layers, by an accident its authors kept; V2 and 3 take four that are spread."""
    if family == "v1":
        last = LAYERS[size] - 1
        return (last - 3, last - 2, last - 1, last)
    return (4, 11, 17, 23) if size == "large" else (2, 5, 8, 11)


def _relative(family: str, size: str, **where: Any) -> KnownModel:
    """A relative network of V1 or V2; ``where`` says where it is, and under which licence."""
    return KnownModel(
        name=f"{family}-{size}",
        title=f"Depth Anything {family.upper()} {size}, relative",
        family=family,
        size=size,
        taps=_taps(family, size),
        head="relu",
        meaning="relative",
        quantity="disparity",
        min_depth_m=0.1,
        max_depth_m=100.0,
        resize=_OFFICIAL,
        hub_size_bytes=4 * NUM_PARAMETERS[size],
        onnx_file="onnx/model.onnx",
        **where,
    )


def _v1(size: str) -> KnownModel:
    source = "the author in github.com/LiheYoung/Depth-Anything#15, and the repository's LICENSE"
    licence = Licence(id="Apache-2.0", category="permissive", source=source)
    if size == "large":
        both_sides = (
            "github.com/LiheYoung/Depth-Anything#252 asks for the licence of these weights, unanswered; #15 and the -hf"
            " model card say Apache-2.0"
        )
        licence = Licence(id="unclear", category="unclear", source=both_sides)
    return _relative(
        "v1",
        size,
        hub_id=f"LiheYoung/depth_anything_vit{size[0]}14",
        hub_file="pytorch_model.bin",
        licence=licence,
        transformers_id=f"LiheYoung/depth-anything-{size}-hf",
        onnx_id=f"Xenova/depth-anything-{size}-hf",
    )


def _v2(size: str) -> KnownModel:
    return _relative(
        "v2",
        size,
        hub_id=f"depth-anything/Depth-Anything-V2-{size.title()}",
        hub_file=f"depth_anything_v2_vit{size[0]}.pth",
        licence=_v2_licence(size),
        transformers_id=f"depth-anything/Depth-Anything-V2-{size.title()}-hf",
        onnx_id=f"onnx-community/depth-anything-v2-{size}",
    )


def _v2_metric(place: str, size: str) -> KnownModel:
    dataset = {"indoor": "hypersim", "outdoor": "vkitti"}[place]
    hub_dataset = {"hypersim": "Hypersim", "vkitti": "VKITTI"}[dataset]
    licence = _v2_licence(size)
    if size != "small":
        conflict = (
            "the README of Depth-Anything-V2 says CC-BY-NC-4.0 for this size, the model card Apache-2.0"
            " (github.com/DepthAnything/Depth-Anything-V2#245)"
        )
        licence = Licence(id="unclear", category="unclear", source=conflict)
    return KnownModel(
        name=f"v2-metric-{place}-{size}",
        title=f"Depth Anything V2 metric, {place}, {size}",
        family="v2",
        size=size,
        taps=_taps("v2", size),
        head="sigmoid",
        meaning="metric_fixed",
        quantity="depth",
        min_depth_m=0.05 if place == "indoor" else 0.3,
        max_depth_m=20.0 if place == "indoor" else 80.0,
        training_focal_px=HYPERSIM_FOCAL_PX if place == "indoor" else VKITTI_FOCAL_PX,
        resize=_OFFICIAL,
        hub_id=f"depth-anything/Depth-Anything-V2-Metric-{hub_dataset}-{size.title()}",
        hub_file=f"depth_anything_v2_metric_{dataset}_vit{size[0]}.pth",
        hub_size_bytes=4 * NUM_PARAMETERS[size],
        licence=licence,
        transformers_id=f"depth-anything/Depth-Anything-V2-Metric-{place.title()}-{size.title()}-hf",
    )


def _v2_licence(size: str) -> Licence:
    source = "README of github.com/DepthAnything/Depth-Anything-V2"
    if size == "small":
        return Licence(id="Apache-2.0", category="permissive", source=source)
    return Licence(id="CC-BY-NC-4.0", category="non-commercial", source=source)


def _da3(kind: str) -> KnownModel:
    metric = kind == "metric"
    return KnownModel(
        name=f"da3{kind}-large",
        title=f"Depth Anything 3 {'metric' if metric else 'monocular, relative'}, large",
        family="da3",
        size="large",
        taps=_taps("da3", "large"),
        head="exp",
        meaning="metric_canonical" if metric else "relative",
        quantity="depth",
        min_depth_m=0.1,
        max_depth_m=200.0,
        canonical_focal_px=DA3_CANONICAL_FOCAL_PX if metric else None,
        sky_threshold=DA3_SKY_THRESHOLD,
        resize=_DA3,
        hub_id=f"depth-anything/DA3{kind.upper()}-LARGE",
        hub_file="model.safetensors",
        hub_size_bytes=4 * NUM_PARAMETERS["large"],
        licence=Licence(
            id="Apache-2.0", category="permissive", source="README of github.com/ByteDance-Seed/Depth-Anything-3"
        ),
    )


MODELS: tuple[KnownModel, ...] = (
    *(_v1(size) for size in SIZES),
    *(_v2(size) for size in SIZES),
    *(_v2_metric(place, size) for place in ("indoor", "outdoor") for size in SIZES),
    _da3("metric"),
    _da3("mono"),
)
BY_NAME = {model.name: model for model in MODELS}


def find_model(name: str) -> KnownModel | None:
    """The checkpoint of that name or hub id, in any case; None where there is none."""
    wanted = name.strip().lower()
    for model in MODELS:
        if wanted == model.name or wanted in (hub_id.lower() for hub_id in model.hub_ids):
            return model
    return None


def get_model(name: str) -> KnownModel:
    """As ``find_model``; raises ConfigError with the nearest name where there is none."""
    model = find_model(name)
    if model is None:
        nearest = difflib.get_close_matches(name.lower(), BY_NAME, n=1, cutoff=0.5)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise ConfigError(f"no known model {name!r}{hint}; accepted: {', '.join(BY_NAME)}, or one of their hub ids")
    return model


def is_model_name(text: str) -> bool:
    """Whether a text is a model's name or hub id: a known one, or what looks like one, so that a typo is told."""
    return find_model(text) is not None or bool(re.fullmatch(r"(da3|v1-|v2-)[\w-]*", text.lower()))
