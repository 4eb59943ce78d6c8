"""One more output that looks into every attention: a compiler that must hand out the softmax cannot fuse it away."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import EngineError
from .attention import find_attention

ATTENTION_OUTPUT = "attention_peaks"
"""Extra output of an unfused graph, float32 (batch, layers): the largest attention weight of every layer."""
_AXES = [1, 2, 3]


def unfuse(model: onnx.ModelProto) -> None:
    """Add ``ATTENTION_OUTPUT`` to a graph, in place; raises EngineError where it has no attention."""
    graph = model.graph
    found = find_attention(model)
    if not found:
        raise EngineError("the graph has no attention that could be unfused")
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    axes, shape_name = f"{ATTENTION_OUTPUT}_axes", f"{ATTENTION_OUTPUT}_shape"
    peaks = []
    for index, attention in enumerate(found):
        # Of (batch, heads, tokens, tokens); the result is small, but the whole has to be computed for it.
        weights, peak = attention.softmax.output[0], f"attention_peak_{index}"
        if opset >= 18:
            node = helper.make_node("ReduceMax", [weights, axes], [peak], name=peak)
        else:
            node = helper.make_node("ReduceMax", [weights], [peak], name=peak, axes=_AXES)
        graph.node.append(node)
        peaks.append(peak)
    if opset >= 18:
        graph.initializer.append(numpy_helper.from_array(np.array(_AXES), axes))
    together, flat = f"{ATTENTION_OUTPUT}_together", f"{ATTENTION_OUTPUT}_flat"
    graph.initializer.append(numpy_helper.from_array(np.array([-1, len(peaks)]), shape_name))
    graph.node.extend(
        [
            helper.make_node("Concat", peaks, [together], name=together, axis=1),
            helper.make_node("Reshape", [together, shape_name], [flat], name=flat),
            helper.make_node("Cast", [flat], [ATTENTION_OUTPUT], name=ATTENTION_OUTPUT, to=TensorProto.FLOAT),
        ]
    )
    batch = graph.output[0].type.tensor_type.shape.dim[0]
    shape = [batch.dim_param or batch.dim_value, len(peaks)]
    graph.output.append(helper.make_tensor_value_info(ATTENTION_OUTPUT, TensorProto.FLOAT, shape))
