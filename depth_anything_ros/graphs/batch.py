"""A free batch in a graph that was folded: what two folded batches disagree about is computed from the batch."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ..errors import EngineError

_BATCH_SHAPE = "batch_shape"


def free_batch(two: onnx.ModelProto, three: onnx.ModelProto, image: str) -> onnx.ModelProto:
    """Return ``two``, changed in place to take any batch; the same graph was folded for a batch of 2 and of 3.

    Raises EngineError where the two differ in more than constants that are shapes or copies along the batch.
    """
    nodes, others = list(two.graph.node), list(three.graph.node)
    ours = {tensor.name: tensor for tensor in two.graph.initializer}
    theirs = {tensor.name: tensor for tensor in three.graph.initializer}
    if [node.op_type for node in nodes] != [node.op_type for node in others]:
        raise EngineError("the graph is another one at another batch; build it for a fixed batch")
    made: list[onnx.NodeProto] = []
    result: list[onnx.NodeProto] = []
    for node, other in zip(nodes, others, strict=True):
        if list(node.attribute) != list(other.attribute):
            raise EngineError(f"{_label(node)} depends on the batch; build it for a fixed batch")
        for slot, (name, other_name) in enumerate(zip(node.input, other.input, strict=True)):
            if name not in ours or other_name not in theirs:
                if name != other_name:
                    raise EngineError(f"{_label(node)} is fed otherwise at another batch; build it for a fixed batch")
            elif not _same(ours[name], theirs[other_name]):
                pair = numpy_helper.to_array(ours[name]), numpy_helper.to_array(theirs[other_name])
                node.input[slot] = _from_batch(two.graph, made, node, slot, pair)
        result += [*made, node]
        made.clear()
    if any(_BATCH_SHAPE in node.input for node in result):
        # The batch is read behind the cast of the image, as nothing else may look at bytes.
        first = next(index for index, node in enumerate(result) if image in node.input)
        whole, zero, one = f"{_BATCH_SHAPE}_whole", f"{_BATCH_SHAPE}_0", f"{_BATCH_SHAPE}_1"
        for name, value in ((zero, 0), (one, 1)):
            _constant(two.graph, name, np.array([value]))
        result[first + 1 : first + 1] = [
            helper.make_node("Shape", [result[first].output[0]], [whole], name=whole),
            helper.make_node("Slice", [whole, zero, one], [_BATCH_SHAPE], name=_BATCH_SHAPE),
        ]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in result]
    del two.graph.node[:]
    two.graph.node.extend(copies)
    drop_unused_weights(two)
    return two


def _label(node: onnx.NodeProto) -> str:
    return f"{node.op_type} {node.name or node.output[0]}"


def drop_unused_weights(model: onnx.ModelProto) -> None:
    """Remove initializers that no node reads."""
    used = {name for node in model.graph.node for name in node.input}
    for index in reversed(range(len(model.graph.initializer))):
        if model.graph.initializer[index].name not in used:
            del model.graph.initializer[index]


def _same(a: onnx.TensorProto, b: onnx.TensorProto) -> bool:
    if list(a.dims) != list(b.dims) or a.data_type != b.data_type:
        return False
    if a.HasField("raw_data") and b.HasField("raw_data"):
        return bool(a.raw_data == b.raw_data)
    return np.array_equal(numpy_helper.to_array(a), numpy_helper.to_array(b))


def _from_batch(
    graph: onnx.GraphProto, made: list[onnx.NodeProto], node: onnx.NodeProto, slot: int, pair: tuple[NDArray, NDArray]
) -> str:
    """Name of a tensor that is the first of ``pair`` at a batch of 2 and the second at 3; its nodes go to ``made``."""
    two, three = pair
    stem = f"{node.output[0]}_input{slot}"
    if two.dtype == np.int64 and two.ndim == 1 and two.shape == three.shape:
        differ = np.flatnonzero(two != three)
        if np.array_equal(two[differ], np.full(len(differ), 2)) and np.array_equal(three[differ], two[differ] + 1):
            if node.op_type == "Reshape" and len(differ) == 1 and -1 not in two:
                return _constant(graph, f"{stem}_free", np.where(two != three, -1, two))
            return _shape(graph, made, stem, two, differ)
    elif _is_copies(two, 2) and _is_copies(three, 3) and np.array_equal(two[:1], three[:1]):
        once = _constant(graph, f"{stem}_once", two[:1])
        shape = _shape(graph, made, stem, np.array(two.shape), np.array([0]))
        made.append(helper.make_node("Expand", [once, shape], [f"{stem}_expanded"], name=f"{stem}_expand"))
        return f"{stem}_expanded"
    raise EngineError(f"input {slot} of {_label(node)} depends on the batch; build it for a fixed batch")


def _is_copies(values: NDArray, number: int) -> bool:
    return values.ndim > 0 and len(values) == number and bool((values == values[:1]).all())


def _shape(
    graph: onnx.GraphProto, made: list[onnx.NodeProto], stem: str, values: NDArray[np.int64], free: NDArray[np.intp]
) -> str:
    """A shape: ``values``, with the batch at the positions ``free``."""
    if len(values) == 1:
        return _BATCH_SHAPE
    parts: list[str] = []
    start = 0
    for position in (*free, len(values)):
        if position > start:
            parts.append(_constant(graph, f"{stem}_part{start}", values[start:position]))
        if position < len(values):
            parts.append(_BATCH_SHAPE)
        start = int(position) + 1
    made.append(helper.make_node("Concat", parts, [f"{stem}_shape"], name=f"{stem}_concat", axis=0))
    return f"{stem}_shape"


def _constant(graph: onnx.GraphProto, name: str, values: NDArray) -> str:
    kind = TensorProto.INT64 if values.dtype.kind == "i" else None
    graph.initializer.append(numpy_helper.from_array(values.astype(np.int64) if kind else values, name))
    return name
