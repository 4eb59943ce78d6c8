"""What all runtimes of an ONNX network share: input checks, one compiled network per input shape, sky, output checks.

A leaf brings only a function that compiles the network for one static shape; this class needs no runtime itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from ..engine import EngineInfo, apply_sky, check_images
from ..errors import EngineError
from ..spec import EngineSpec

CompiledShape = Callable[[NDArray[np.uint8]], "tuple[NDArray[np.float32], NDArray[np.float32] | None]"]
"""Runs one static shape: uint8 (n, h, w, 3) to float32 arrays: a new one, depth (n, h, w), and sky (n, h, w) or None,
which may be a view that the next run overwrites."""

MAX_SHAPES = 4
"""Compiled networks kept; each holds its own copy of the weights, and one is enough for one camera."""


class NetworkEngine:
    """A ``DepthEngine`` over a function that compiles an ONNX network for one shape (n, h, w).

    ``max_shapes`` are kept; further batches run image by image, and a further size replaces the one unused for longest.
    """

    def __init__(
        self,
        spec: EngineSpec,
        info: EngineInfo,
        compile_shape: Callable[[tuple[int, int, int]], CompiledShape],
        *,
        max_shapes: int = MAX_SHAPES,
    ) -> None:
        self.spec = spec
        self.info = info
        self._max_shapes = max_shapes
        self._compile_shape: Callable[[tuple[int, int, int]], CompiledShape] | None = compile_shape
        self._compiled: OrderedDict[tuple[int, int, int], CompiledShape] = OrderedDict()

    def infer(self, images_nhw3: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See ``DepthEngine.infer``."""
        check_images(images_nhw3, self.spec)
        n, h, w = images_nhw3.shape[:3]
        if n > 1 and (n, h, w) not in self._compiled and len(self._compiled) >= self._max_shapes:
            # With many cameras every number of images comes at some time: to compile for it takes longer than this.
            return np.concatenate([self.infer(image_hw3[None]) for image_hw3 in images_nhw3])
        run = self._compiled_for((n, h, w))
        try:
            depth_nhw, sky_nhw = run(np.ascontiguousarray(images_nhw3))
        except Exception as error:
            raise EngineError(f"{self._label} failed at {n}x{h}x{w}: {one_line(error)}") from error
        for name, array in ((self.spec.depth_output, depth_nhw), (self.spec.sky_output, sky_nhw)):
            if array is None:
                continue
            if array.shape != (n, h, w) or array.dtype != np.float32:
                raise EngineError(
                    f"{self._label} gave {name} as {array.dtype} {array.shape}; accepted: float32 {(n, h, w)}"
                )
            if np.isnan(np.min(array)):
                raise EngineError(f"{self._label} gave NaN in {name}")
        return apply_sky(depth_nhw, sky_nhw, self.spec)

    def close(self) -> None:
        """Free all compiled networks; calling it twice is fine."""
        self._compiled.clear()
        self._compile_shape = None

    def __enter__(self) -> NetworkEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _label(self) -> str:
        return f"{self.spec.name} on {self.info.engine}"

    def _compiled_for(self, shape: tuple[int, int, int]) -> CompiledShape:
        if self._compile_shape is None:
            raise EngineError(f"{self._label} is closed")
        run = self._compiled.pop(shape, None)
        if run is None:
            while len(self._compiled) >= self._max_shapes:
                self._compiled.popitem(last=False)
            run = self._compile_shape(shape)
        self._compiled[shape] = run
        return run


def network_precision(spec: EngineSpec, asked: str, accepted: tuple[str, ...], where: str) -> str:
    """The precision to run in: ``asked``, "int8" for a network that was quantised so, or "" for the engine's choice.

    ``accepted`` are those that the engine can choose from. Raises EngineError, which names ``where``, for another.
    """
    own = (spec.quantized,) if spec.quantized else accepted
    if asked == "auto":
        return spec.quantized or ""
    if asked not in own:
        why = f"{spec.name} is {spec.quantized} itself" if spec.quantized else f"it is not native to {where}"
        if asked == "int8":
            why = f"{spec.name} was not quantised: depth_anything_ros quantize makes a network that is"
        raise EngineError(f"precision {asked} is not available: {why}; accepted: auto, {', '.join(own)}")
    return asked


def one_line(error: BaseException) -> str:
    """The telling line of a runtime's message, which may lead with lines about its own sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("Exception from")] or lines or [type(error).__name__]
    return telling[0][:300]
