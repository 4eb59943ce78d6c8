"""A foreign ONNX network in the form that the engines run.

That is ``image``, uint8 RGB (batch, height, width, 3), in; ``depth`` and ``sky``, float32 (batch, height, width), out;
normalisation inside. The dimensions that were free stay free, under these names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, compose, helper

from ..errors import ConfigError, EngineError
from .onnx_interface import AXES, OnnxInterface, shape_of

INPUT_RANGES = ("normalised", "0..1", "0..255")
"""What a float input holds: normalised by ImageNet's mean and deviation, or plain values of that range."""
OUTPUTS = ("depth", "sky")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_PREFIX = "network/"
_SQUEEZE_AXES_AS_INPUT_FROM = 13


def wrapped(model: onnx.ModelProto, interface: OnnxInterface, *, input_range: str) -> onnx.ModelProto:
    """The network in the engines' form, with outputs ``depth`` and ``sky``; ``model`` itself is used up.

    ``input_range`` counts for a float input (INPUT_RANGES).
    """
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    ranks = {value.name: len(shape_of(value)) for value in model.graph.output}
    model = compose.add_prefix(model, _PREFIX, inplace=True)
    graph = model.graph
    before, constants = _input_nodes(interface, input_range)
    after: list[onnx.NodeProto] = []
    for name, new in zip(interface.outputs, OUTPUTS, strict=False):
        if ranks[name] == 4:
            after.append(_squeeze(f"{_PREFIX}{name}", new, opset, constants))
        else:
            after.append(helper.make_node("Identity", [f"{_PREFIX}{name}"], [new]))
    own = list(graph.node)
    del graph.node[:]
    graph.node.extend([*before, *own, *after])
    graph.initializer.extend(constants)
    dims = [axis if side is None else side for axis, side in zip(AXES, interface.fixed, strict=True)]
    kept = [value for value in graph.input if value.name != f"{_PREFIX}{interface.input_name}"]
    _replace(graph.input, [helper.make_tensor_value_info("image", TensorProto.UINT8, [*dims, 3]), *kept])
    outputs = OUTPUTS[: len(interface.outputs)]
    _replace(graph.output, [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name in outputs])
    # Their names of free dimensions are the old file's, and may be taken for ours.
    del graph.value_info[:]
    return model


def save_network(model: onnx.ModelProto, path: Path) -> None:
    """Write a network as one file; raises EngineError where it is too large for one (2 GB)."""
    try:
        path.write_bytes(model.SerializeToString())
    except ValueError as error:
        raise EngineError(f"{path.name} is too large for one ONNX file (2 GB): {error}") from error


def _input_nodes(interface: OnnxInterface, input_range: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes from ``image`` to the old input, and their constants."""
    if input_range not in INPUT_RANGES:
        raise ConfigError(f"input range is {input_range!r}; accepted: {', '.join(INPUT_RANGES)}")
    steps: list[tuple[str, list[Any], dict[str, Any]]] = []
    if interface.is_nchw:
        steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
    if interface.is_float:
        steps.append(("Cast", [], {"to": TensorProto.FLOAT}))
        channels = (1, 3, 1, 1) if interface.is_nchw else (1, 1, 1, 3)
        if input_range == "normalised":
            steps.append(("Sub", [_constant("mean", [255.0 * value for value in IMAGENET_MEAN], channels)], {}))
            steps.append(("Div", [_constant("std", [255.0 * value for value in IMAGENET_STD], channels)], {}))
        elif input_range == "0..1":
            steps.append(("Div", [_constant("white", [255.0], (1, 1, 1, 1))], {}))
    steps = steps or [("Identity", [], {})]
    names = ["image", *(f"image_{index}" for index in range(1, len(steps))), f"{_PREFIX}{interface.input_name}"]
    nodes = [
        helper.make_node(
            operator, [names[index], *(tensor.name for tensor in tensors)], [names[index + 1]], **attributes
        )
        for index, (operator, tensors, attributes) in enumerate(steps)
    ]
    return nodes, [tensor for _, tensors, _ in steps for tensor in tensors]


def _squeeze(name: str, new: str, opset: int, constants: list[onnx.TensorProto]) -> onnx.NodeProto:
    """The second axis removed, in the way of the file's opset."""
    if opset < _SQUEEZE_AXES_AS_INPUT_FROM:
        return helper.make_node("Squeeze", [name], [new], axes=[1])
    if not any(tensor.name == "channel_axis" for tensor in constants):
        constants.append(helper.make_tensor("channel_axis", TensorProto.INT64, [1], [1]))
    return helper.make_node("Squeeze", [name, "channel_axis"], [new])


def _constant(name: str, values: Sequence[float], shape: tuple[int, ...]) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.FLOAT, shape, values)


def _replace(field: Any, values: Sequence[Any]) -> None:
    del field[:]
    field.extend(values)
