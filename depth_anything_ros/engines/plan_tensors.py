"""Whether a plan's tensors are those that its network's spec promises."""

from __future__ import annotations

from typing import Any

from ..errors import EngineError
from ..spec import EngineSpec


def output_names(engine: Any, module: Any, spec: EngineSpec, size_hw: tuple[int, int], max_batch: int) -> list[str]:
    """Names of the plan's outputs: depth, then sky where there is one, then those that nobody reads.

    ``engine`` is TensorRT's ``ICudaEngine``, ``module`` its module. Raises EngineError where a name, type or place is
    another than the spec's, or where the plan does not take 1 to ``max_batch`` images of ``size_hw`` (h, w).
    """
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    inputs = [name for name in names if engine.get_tensor_mode(name) == module.TensorIOMode.INPUT]
    if inputs != [spec.input_name]:
        raise EngineError(f"the plan takes {', '.join(inputs) or 'nothing'}; {spec.name} takes {spec.input_name}")
    kept = [name for name in (spec.depth_output, spec.sky_output) if name is not None]
    wanted_types = {spec.input_name: module.DataType.UINT8, **dict.fromkeys(kept, module.DataType.FLOAT)}
    for name, wanted in wanted_types.items():
        if name not in names:
            raise EngineError(f"the plan has no {name!r}, which the spec of {spec.name} names: {', '.join(names)}")
        found, place = engine.get_tensor_dtype(name), engine.get_tensor_location(name)
        if found != wanted or place != module.TensorLocation.DEVICE:
            raise EngineError(f"the plan has {name} as {found} on {place}; accepted: {wanted} on the device")
    _check_shapes(engine, spec, size_hw, max_batch)
    return kept + [name for name in names if name not in wanted_types]


def _check_shapes(engine: Any, spec: EngineSpec, size_hw: tuple[int, int], max_batch: int) -> None:
    low = high = tuple(engine.get_tensor_shape(spec.input_name))
    if -1 in low:
        low, _, high = (tuple(shape) for shape in engine.get_tensor_profile_shape(spec.input_name, 0))
    for wanted in ((1, *size_hw, 3), (max_batch, *size_hw, 3)):
        fits = len(low) == 4 and all(a <= b <= c for a, b, c in zip(low, wanted, high, strict=True))
        if not fits:
            span = f"{low}" if low == high else f"{low} to {high}"
            raise EngineError(f"the plan of {spec.name} takes images {span}; {wanted} was asked for")
