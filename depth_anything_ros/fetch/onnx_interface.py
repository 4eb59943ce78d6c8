"""What a foreign ONNX network takes and gives, and whether the engines can run it as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import TensorProto

from ..errors import ConfigError, EngineError

AXES = ("batch", "height", "width")
"""Names of the free dimensions in the engines' form."""


@dataclass(frozen=True)
class OnnxInterface:
    """Input and outputs of a file, checked: an RGB image in, one value per pixel out."""

    input_name: str
    is_float: bool
    is_nchw: bool
    fixed: tuple[int | None, int | None, int | None]
    """Batch, height and width where the file fixes them; None where they are free."""
    outputs: tuple[str, ...]
    """Depth, and sky where it was asked for."""
    is_ready: bool
    """Whether the engines can run the file as it is; not if its weights lie in another one."""


def load_network(path: Path, *, with_weights: bool = True) -> onnx.ModelProto:
    """Read an ONNX file, with weights that lie in files beside it; raises EngineError where it is none."""
    try:
        model = onnx.load(str(path), load_external_data=with_weights)
    except FileNotFoundError as error:
        raise EngineError(f"{path}: {error.strerror}: {error.filename}") from error
    except Exception as error:  # protobuf and onnx have errors of their own
        raise EngineError(f"{path} is no ONNX network: {' '.join(str(error).split())[:200]}") from error
    if not model.graph.input or not model.graph.output:
        raise EngineError(f"{path} is no ONNX network: it has no input or no output")
    return model


def read_interface(
    model: onnx.ModelProto, path: Path, *, input_name: str = "", depth_output: str = "", sky_output: str = ""
) -> OnnxInterface:
    """Find out what a network takes and gives; the names are needed only where there are several.

    ``model`` is read without weights, so that it tells where they are.
    Raises ConfigError for a name that is not there, or where one must be named; EngineError for an interface that is
    not that of a depth network.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: value for value in model.graph.input if value.name not in weights}
    outputs = {value.name: value for value in model.graph.output}
    image = _choose(inputs, input_name, "input", path)
    names = [_choose(outputs, depth_output, "output", path).name]
    if sky_output:
        names.append(_choose(outputs, sky_output, "output", path).name)
    kind, shape = image.type.tensor_type.elem_type, shape_of(image)
    is_nchw = len(shape) == 4 and shape[1] == 3
    accepted = "float32 or uint8 RGB (n, 3, h, w) or (n, h, w, 3)"
    if kind not in (TensorProto.FLOAT, TensorProto.UINT8) or len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise EngineError(f"{path} takes {image.name}: {_words(image)}; accepted: {accepted}")
    n, h, w = (shape[0], shape[2], shape[3]) if is_nchw else shape[:3]
    fixed = tuple(side if isinstance(side, int) else None for side in (n, h, w))
    if (fixed[1] is None) != (fixed[2] is None):
        raise EngineError(f"{path} takes {image.name}: {_words(image)}; accepted: height and width both free, or fixed")
    for name in names:
        squeezed = [side for axis, side in enumerate(shape_of(outputs[name])) if not (axis == 1 and side == 1)]
        is_float = outputs[name].type.tensor_type.elem_type == TensorProto.FLOAT
        if not is_float or len(squeezed) not in (0, 3):
            raise EngineError(
                f"{path} gives {name}: {_words(outputs[name])}; accepted: float32 (n, h, w) or (n, 1, h, w)"
            )
    is_ready = (
        kind == TensorProto.UINT8
        and not is_nchw
        and not any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer)
        and all(len(shape_of(outputs[name])) == 3 for name in names)
        and all(isinstance(side, int) or side == axis for side, axis in zip(shape, AXES, strict=False))
    )
    return OnnxInterface(
        input_name=image.name,
        is_float=kind == TensorProto.FLOAT,
        is_nchw=is_nchw,
        fixed=(fixed[0], fixed[1], fixed[2]),
        outputs=tuple(names),
        is_ready=is_ready,
    )


def _choose(values: dict[str, onnx.ValueInfoProto], name: str, what: str, path: Path) -> onnx.ValueInfoProto:
    names = ", ".join(values)
    if name:
        if name not in values:
            raise ConfigError(f"{path} has no {what} {name!r}; it has {names}")
        return values[name]
    if len(values) == 1:
        return next(iter(values.values()))
    for usual in ("image", "pixel_values", "depth", "predicted_depth"):
        if usual in values:
            return values[usual]
    raise ConfigError(f"{path} has several {what}s ({names}); name the one that counts with --{what}")


def shape_of(value: onnx.ValueInfoProto) -> list[int | str | None]:
    """Each axis' length, its name, or None; none at all where the file does not say."""
    return [
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else (dim.dim_param or None)
        for dim in value.type.tensor_type.shape.dim
    ]


def _words(value: onnx.ValueInfoProto) -> str:
    kind = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return f"{kind} ({', '.join('?' if side is None else str(side) for side in shape_of(value))})"
