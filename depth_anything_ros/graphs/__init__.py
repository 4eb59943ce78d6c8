"""The forms of a network's graph that engines with a compiler of their own are given: fixed size, fp16, unfused.

Everything here works on ONNX graphs (libraries onnx and onnxruntime) and depends on no one network: a graph is uint8
RGB (batch, height, width, 3) in, float32 (batch, height, width) out, and what lies between is found by its operators.
"""

from __future__ import annotations

from .forms import ATTENTION_OUTPUT, RUNGS, make_graph

__all__ = ["ATTENTION_OUTPUT", "RUNGS", "make_graph"]
