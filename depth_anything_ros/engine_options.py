"""How an engine is chosen and opened: one value for the commands, the node and the leaves."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .errors import ConfigError, SpecError
from .spec import ResizeRule

ENGINES = ("auto", "openvino", "onnxruntime", "tensorrt", "torch", "plane")
CPU_ENGINES = ("openvino", "onnxruntime")
PRECISIONS = ("auto", "fp32", "fp16", "bf16", "int8")

MAX_SIDE = 4200
"""Largest side that can be asked for [px]: more is a slip of the finger that would take the machine's memory."""

Report = Callable[[str, "float | None"], None]
"""Receives what is being done, in words, and how much of it is done (0 to 1; None if not known)."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Raises ConfigError where a value is not acceptable."""

    engine: str = "auto"
    """auto: OpenVINO where it can be imported, else ONNX Runtime. The others only where they are asked for."""
    precision: str = "auto"
    """auto: fp16 on TensorRT and CUDA, bf16 where the CPU has it natively, else fp32; int8 for networks made so."""
    threads: int | None = None
    """CPU threads; None leaves it to the runtime."""
    device: int = 0
    """Number of the CUDA device."""
    resize: str = ""
    """Another size than the network's own, as "short_side:392" or "long_side:518"; it changes the metres' accuracy."""
    accept_license: tuple[str, ...] = ()
    """Names of terms that the user accepts (``licences.name_to_accept``)."""
    max_batch: int = 1
    """Images at once that a TensorRT plan is built for, if the network takes as many."""
    background: bool = False
    """While a TensorRT plan is being built ``infer`` raises EngineNotReady; otherwise it waits."""
    meanwhile: str = ""
    """With ``background``: the CPU engine that runs while a plan is being built; "" for none."""
    cpu_fallback: bool = False
    """A CPU engine runs where no TensorRT plan passes its check; otherwise that is an EngineError."""
    plan: Path | None = None
    """A TensorRT plan from elsewhere. A plan is code that runs as the user: name only what you trust."""
    workspace_mb: int = 0
    """Device memory that building a plan may use [MB]; 0: TensorRT's own default."""
    report: Report | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _choice("engine", self.engine, ENGINES)
        _choice("precision", self.precision, PRECISIONS)
        _choice("meanwhile", self.meanwhile, ("", "auto", *CPU_ENGINES))
        if self.threads is not None and self.threads < 1:
            accepted = "a number of at least 1, or none for the runtime's choice"
            raise ConfigError(f"threads is {self.threads}; accepted: {accepted}")
        for name, value, low in (
            ("device", self.device, 0),
            ("max_batch", self.max_batch, 1),
            ("workspace_mb", self.workspace_mb, 0),
        ):
            if value < low:
                raise ConfigError(f"{name} is {value}; accepted: a whole number of at least {low}")
        if self.plan is not None and self.engine != "tensorrt":
            raise ConfigError(f"plan {self.plan} is for the engine tensorrt, not for {self.engine}")

    def tell(self, what: str, fraction: float | None = None) -> None:
        """Report progress to whoever asked for it."""
        if self.report is not None:
            self.report(what, fraction)


def resize_rule(text: str, own: ResizeRule) -> ResizeRule:
    """The rule that ``text`` ("short_side:392") asks for, with the network's own multiple; ``own`` for no text.

    Raises ConfigError for anything else.
    """
    if not text:
        return own
    found = re.fullmatch(r"(short_side|long_side|closest_side):([0-9]{1,9})", text)
    if found is None:
        raise ConfigError(f"resize is {text!r}; accepted: short_side:N or long_side:N, N a multiple of {own.multiple}")
    if int(found[2]) > MAX_SIDE:
        raise ConfigError(f"resize is {text!r}; accepted: up to {MAX_SIDE} px, as memory and time grow with its square")
    try:
        return ResizeRule(kind=found[1], side=int(found[2]), multiple=own.multiple, interpolation=own.interpolation)
    except SpecError as error:
        raise ConfigError(f"resize is {text!r}: {error}") from None


def _choice(name: str, value: str, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise ConfigError(f"{name} is {value!r}; accepted: {', '.join(filter(None, accepted))}")
