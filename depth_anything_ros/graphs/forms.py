"""``make_graph``: from the portable network file to the graph that a plan is built from, rung by rung of a ladder."""

from __future__ import annotations

from ..errors import EngineError
from ..spec import EngineSpec
from .half import to_half
from .static import fixed_graph
from .unfused import ATTENTION_OUTPUT, unfuse

__all__ = ["ATTENTION_OUTPUT", "RUNGS", "make_graph"]

RUNGS = ("fp16", "fp16-attention-fp32", "fp16-unfused", "fp32")
"""From the fastest to the most careful; the next is tried where a plan of the one before gives wrong depth.

fp16: weights and activations, with fp32 for the normalisation of pixels and tokens and behind the last convolution.
fp16-attention-fp32: also fp32 for both products and the softmax of attention.
fp16-unfused: fp16 but for the softmax, and one more output that looks into every attention, so that no compiler can
make one kernel of it; see ``ATTENTION_OUTPUT``.
fp32: the graph as it was exported, at a fixed size.
"""


def make_graph(data: bytes, spec: EngineSpec, rung: str, *, shape: tuple[int | None, int, int]) -> bytes:
    """The graph of ``rung`` as the bytes of an ONNX file.

    Every type in it is explicit, as a strongly typed network wants it; operators are those of the default domain at the
    opset of ``data``; the uint8 input is cast before anything else looks at it. The input and the outputs that ``spec``
    names keep their names, types and order.

    Parameters
    ----------
    data: the network's ONNX file: spec.input_name uint8 (n, h, w, 3), outputs float32 (n, h, w).
    rung: one of ``RUNGS``.
    shape: (n, h, w) of the input; n None leaves the batch free, as the dimension "batch".

    Raises
    ------
    EngineError: the file is no such network, does not take this shape, is quantised, or has a weight beyond fp16.
    """
    if rung not in RUNGS:
        raise EngineError(f"rung is {rung!r}; accepted: {', '.join(RUNGS)}")
    if spec.quantized:
        raise EngineError(f"{spec.name} is quantised to {spec.quantized}, for CPU engines; build from the fp32 network")
    model = fixed_graph(data, spec, shape)
    if rung == "fp16":
        to_half(model, spec)
    elif rung == "fp16-attention-fp32":
        to_half(model, spec, attention="fp32")
    elif rung == "fp16-unfused":
        to_half(model, spec, attention="softmax-fp32")
        unfuse(model)
    result: bytes = model.SerializeToString()
    return result
