"""What a typed fp16 graph gives on a machine that rounds every tensor to fp16, computed where there is no such machine.

ONNX Runtime on a CPU has few fp16 kernels and computes chains of them in fp32, which flatters fp16. Here every node
computes in fp32 and its result is rounded to fp16 where the graph says so: what a GPU does that adds up in fp32.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .half import tensor_types

_HALF, _FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


def rounding_graph(data: bytes) -> bytes:
    """The graph with an fp32 tensor of rounded values in place of every fp16 tensor; same input and outputs."""
    model = onnx.load_from_string(data)
    graph, types = model.graph, tensor_types(model)
    for tensor in graph.initializer:
        if tensor.data_type == _HALF:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    nodes = []
    for node in graph.node:
        if node.op_type == "Cast":
            for attribute in node.attribute:
                attribute.i = _FLOAT if attribute.name == "to" and attribute.i == _HALF else attribute.i
        after = []
        for slot, name in enumerate(node.output):
            if types.get(name) == _HALF:
                node.output[slot] = f"{name}_exact"
                after.append(helper.make_node("Cast", [f"{name}_exact"], [f"{name}_half"], to=_HALF))
                after.append(helper.make_node("Cast", [f"{name}_half"], [name], to=_FLOAT))
        nodes += [onnx.NodeProto.FromString(node.SerializeToString()), *after]
    del graph.node[:]
    graph.node.extend(nodes)
    result: bytes = model.SerializeToString()
    return result
