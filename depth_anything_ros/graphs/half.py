"""A typed fp16 graph: every tensor is fp16 or fp32 by what computes it, and a cast stands wherever the two meet.

A strongly typed network (the only kind of TensorRT 11) computes what the graph says. fp32 stays where fp16 loses what
matters: sums over many values (normalisation of tokens and channels), pixels up to the first weights, and all that
follows the last weights, where a logarithm of depth or a depth in metres would be rounded to 0.05 % of its own size.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import EngineError
from ..spec import EngineSpec
from .attention import find_attention
from .batch import drop_unused_weights

_HALF, _FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT
WEIGHTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")
_SUMS = (
    *("LayerNormalization", "InstanceNormalization", "GroupNormalization", "BatchNormalization"),
    *("ReduceMean", "ReduceSum", "Pow", "Sqrt", "Reciprocal"),
)
_ALWAYS_FLOAT = {"Resize": (1, 2)}
"""Inputs whose type does not follow the others: region of interest and scales."""
_OWN_TYPE = ("Cast", "ConstantOfShape")
"""Operators that say themselves which type they give."""
_LARGEST = 65504.0


def to_half(model: onnx.ModelProto, spec: EngineSpec, *, attention: str = "fp16") -> None:
    """Make a graph of fixed size a typed fp16 one, in place; input and outputs keep their types.

    ``attention``: fp16; softmax-fp32; or fp32, both of its products and the softmax.
    Raises EngineError where a weight is beyond what fp16 holds.
    """
    kept = _front(model, spec.input_name) | {node.output[0] for node in tail(model)} | _sums(model)
    for found in find_attention(model):
        parts = {"fp16": (), "softmax-fp32": (found.softmax,), "fp32": (found.scores, found.softmax, found.mix)}
        kept |= {node.output[0] for node in parts[attention]}
    _Typing(model, kept).run()
    drop_unused_weights(model)


def _front(model: onnx.ModelProto, image: str) -> set[str]:
    """First outputs of the nodes between the image and the first weights."""
    reached, kept = {image}, set()
    for node in model.graph.node:
        if node.op_type not in WEIGHTED and reached & set(node.input):
            reached |= set(node.output)
            kept.add(node.output[0])
    return kept


def tail(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes behind the last weights, and the convolutions or products with these; last first."""
    needed = {entry.name for entry in model.graph.output}
    found = []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            found.append(node)
            if node.op_type not in WEIGHTED:
                needed |= set(node.input)
    return found


def _sums(model: onnx.ModelProto) -> set[str]:
    """First outputs of the nodes that sum up many values, and of the small constants added to such sums."""
    kept: set[str] = set()
    for node in model.graph.node:
        if node.op_type in _SUMS or (node.op_type == "Add" and kept & set(node.input) and _is_epsilon(model, node)):
            kept.add(node.output[0])
    return kept


def _is_epsilon(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    return any(
        tensor.name in node.input and tensor.data_type == _FLOAT and np.abs(numpy_helper.to_array(tensor)).max() < 1e-3
        for tensor in model.graph.initializer
        if int(np.prod(tensor.dims)) == 1
    )


class _Typing:
    """Types every float tensor of a graph; ``kept`` are the first outputs of the nodes that stay fp32."""

    def __init__(self, model: onnx.ModelProto, kept: set[str]) -> None:
        self._graph = model.graph
        self._kept = kept
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._types = tensor_types(model)
        self._made: dict[tuple[str, int], str] = {}
        self._nodes: list[onnx.NodeProto] = []

    def run(self) -> None:
        for node in self._graph.node:
            kind = _FLOAT if node.output[0] in self._kept else _HALF
            if node.op_type not in _OWN_TYPE:
                fixed = _ALWAYS_FLOAT.get(node.op_type, ())
                inputs = [name if slot in fixed else self._typed(name, kind) for slot, name in enumerate(node.input)]
                node.input[:] = inputs
                for name in node.output:
                    if self._types.get(name) == _FLOAT:
                        self._types[name] = kind
            self._nodes.append(node)
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in self._nodes]
        del self._graph.node[:]
        self._graph.node.extend(copies)
        del self._graph.value_info[:]

    def _typed(self, name: str, kind: int) -> str:
        """Name under which the float tensor ``name`` has the type ``kind``; others stay as they are."""
        found = self._types.get(name)
        if found not in (_HALF, _FLOAT) or found == kind:
            return name
        if (name, kind) not in self._made:
            self._made[name, kind] = self._weight(name) if name in self._weights else self._cast(name, kind)
        return self._made[name, kind]

    def _weight(self, name: str) -> str:
        values = numpy_helper.to_array(self._weights[name])
        largest = float(np.abs(values).max(initial=0.0))
        if not largest <= _LARGEST:
            raise EngineError(f"the weight {name} reaches {largest:g}; fp16 holds up to {_LARGEST:g}")
        self._graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        return f"{name}_half"

    def _cast(self, name: str, kind: int) -> str:
        result = f"{name}_{'half' if kind == _HALF else 'float'}"
        self._nodes.append(helper.make_node("Cast", [name], [result], to=kind, name=f"{result}_cast"))
        return result


def tensor_types(model: onnx.ModelProto) -> dict[str, int]:
    """Element type of every tensor. The weights' values play no part, and are left out of what is inferred from."""
    shell = onnx.ModelProto()
    shell.ir_version = model.ir_version
    shell.opset_import.extend(model.opset_import)
    shell.graph.name = "types"
    shell.graph.node.extend(model.graph.node)
    shell.graph.input.extend(model.graph.input)
    shell.graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.INT64:
            shell.graph.initializer.append(tensor)
        else:
            shell.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    inferred = onnx.shape_inference.infer_shapes(shell).graph
    types = {entry.name: entry.type.tensor_type.elem_type for entry in (*inferred.value_info, *inferred.input)}
    types |= {entry.name: entry.type.tensor_type.elem_type for entry in inferred.output}
    missing = sorted({name for node in model.graph.node for name in node.output if name} - set(types))
    if missing:
        raise EngineError(f"the type of {missing[0]} is not known")
    return types
