"""A graph with free height and width made one of fixed size, with everything folded that depends on the size alone.

ONNX Runtime folds: the position embedding, interpolated for the size, becomes a constant, and so do all computations
of shapes. Its other rewrites are off, so that the operators stay those of the exporter.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
import onnxruntime
from onnx import TensorProto, helper

from ..errors import EngineError
from ..spec import EngineSpec
from .batch import free_batch
from .half import WEIGHTED

BATCH = "batch"
"""Name of the free batch dimension."""
# They turn matrix products into Gemm between two Reshapes and move Transposes through attention: compilers that look
# for attention do not find it then.
_REWRITES_OFF = ["MatMulAddFusion", "TransposeOptimizer", "GeluFusion", "GeluFusionL1", "LayerNormFusion"]


def fixed_graph(data: bytes, spec: EngineSpec, shape: tuple[int | None, int, int]) -> onnx.ModelProto:
    """The network at a fixed size (n, h, w); n None leaves the batch free. Raises EngineError, see ``make_graph``."""
    n, h, w = shape
    multiple = spec.resize.multiple
    if (n is not None and n < 1) or h < multiple or w < multiple or h % multiple or w % multiple:
        raise EngineError(f"{spec.name} cannot take {_text(shape)}; accepted: h and w multiples of {multiple}")
    network = parse(data, spec)
    weights = _set_weights_aside(network)
    if n is not None:
        model = _fold(network, spec, (n, h, w))
    else:
        # Where two batches differ, the graph depends on the batch.
        model = free_batch(_fold(network, spec, (2, h, w)), _fold(network, spec, (3, h, w)), spec.input_name)
    _put_back(model, weights)
    for entry in (*model.graph.input, *model.graph.output):
        if n is None:
            entry.type.tensor_type.shape.dim[0].dim_param = BATCH
    return model


def parse(data: bytes, spec: EngineSpec) -> onnx.ModelProto:
    """Read a network and check its signature against the spec; raises EngineError."""
    try:
        model = onnx.load_from_string(data)
    except Exception as error:
        raise EngineError(f"{spec.artifact or spec.name} is no ONNX file") from error
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in held]
    names = [entry.name for entry in inputs]
    if names != [spec.input_name] or inputs[0].type.tensor_type.elem_type != TensorProto.UINT8:
        raise EngineError(f"{spec.artifact} takes {', '.join(names)}; accepted: uint8 {spec.input_name!r} alone")
    outputs = {entry.name for entry in model.graph.output}
    for name in filter(None, (spec.depth_output, spec.sky_output)):
        if name not in outputs:
            raise EngineError(f"{spec.artifact} has no output {name!r}, which its spec names")
    return model


def _set_weights_aside(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Make inputs of the weights that only convolutions and products read; they are most of a file's bytes, and folding
    them along takes many times their memory."""
    others = {name for node in model.graph.node if node.op_type not in WEIGHTED for name in node.input}
    aside = [tensor for tensor in model.graph.initializer if tensor.name not in others]
    kept = [tensor for tensor in model.graph.initializer if tensor.name in others]
    names = {tensor.name for tensor in aside}
    inputs = [entry for entry in model.graph.input if entry.name not in names]
    inputs += [helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)) for tensor in aside]
    del model.graph.initializer[:]
    del model.graph.input[:]
    model.graph.initializer.extend(kept)
    model.graph.input.extend(inputs)
    return aside


def _put_back(model: onnx.ModelProto, weights: list[onnx.TensorProto]) -> None:
    names = {tensor.name for tensor in weights}
    inputs = [entry for entry in model.graph.input if entry.name not in names]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.graph.initializer.extend(weights)


def _fold(network: onnx.ModelProto, spec: EngineSpec, shape: tuple[int, int, int]) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.CopyFrom(network)
    image = next(entry for entry in model.graph.input if entry.name == spec.input_name)
    dimensions = image.type.tensor_type.shape.dim
    wanted = (*shape, 3)
    if len(dimensions) != 4 or any(
        dim.HasField("dim_value") and dim.dim_value != size for dim, size in zip(dimensions, wanted, strict=True)
    ):
        taken = "x".join(str(dim.dim_value or dim.dim_param or "?") for dim in dimensions)
        raise EngineError(
            f"{spec.artifact} takes {taken}, not {_text(shape)}x3; accepted: free batch, height and width"
        )
    for dim, size in zip(dimensions, wanted, strict=True):
        dim.Clear()
        dim.dim_value = size
    del model.graph.value_info[:]
    _cast_first(model, spec.input_name)
    try:
        folded, shapes = fold_constants(model)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise EngineError(f"{spec.artifact} cannot be made {_text(shape)}: {reason}") from error
    _set_outputs(folded, spec, shapes, shape)
    return folded


def fold_constants(model: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, list[int | str]]]:
    """The graph with everything computed that its inputs' values play no part in, and the shapes of its outputs.

    Raises whatever ONNX Runtime raises for a graph that it cannot load.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory(prefix="depth_anything_ros_") as folder:
        path = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(path)
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"], disabled_optimizers=_REWRITES_OFF
        )
        shapes = {entry.name: entry.shape for entry in session.get_outputs()}
        folded = onnx.load(path)
    _plain_operators(folded)
    return folded, shapes


def _cast_first(model: onnx.ModelProto, image: str) -> None:
    """Cast the bytes before they are laid out anew: TensorRT takes uint8 for a network's input and for a cast only."""
    graph = model.graph
    float_image = f"{image}_float"
    for node in graph.node:
        node.input[:] = [float_image if name == image else name for name in node.input]
    # Casts that follow are of float to float now; ONNX Runtime takes them out.
    cast = helper.make_node("Cast", [image], [float_image], to=TensorProto.FLOAT, name=f"{image}_to_float")
    graph.node.insert(0, cast)


def _plain_operators(model: onnx.ModelProto) -> None:
    foreign = {f"{node.domain}.{node.op_type}" for node in model.graph.node if node.domain not in ("", "ai.onnx")}
    nested = {node.op_type for node in model.graph.node if any(a.type == a.GRAPH for a in node.attribute)}
    if foreign or nested:
        raise EngineError(f"it needs {', '.join(sorted(foreign | nested))}; accepted: plain operators of ONNX")
    kept = [entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _set_outputs(
    model: onnx.ModelProto, spec: EngineSpec, shapes: dict[str, list[int | str]], shape: tuple[int, int, int]
) -> None:
    for entry in model.graph.output:
        if shapes[entry.name] != list(shape):
            raise EngineError(f"{spec.artifact} gives {entry.name} {shapes[entry.name]} at an input of {_text(shape)}")
        entry.CopyFrom(helper.make_tensor_value_info(entry.name, TensorProto.FLOAT, shape))


def _text(shape: tuple[int | None, int, int]) -> str:
    return "x".join("n" if side is None else str(side) for side in shape)
