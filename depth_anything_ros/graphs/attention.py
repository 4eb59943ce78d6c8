"""Finds self-attention in a graph, and says what keeps a compiler from making one kernel of it.

TensorRT fuses product, softmax and product where nothing lies between them: no mask to add, and the scale inside the
query. One matrix for query, key and value also keeps it from merging three, which some versions get wrong
(NVIDIA/TensorRT-Edge-LLM#105).
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx

_BETWEEN = ("Add", "Sub", "Mul", "Div", "Where", "Cast", "Clip")
_LAYOUT = ("Gather", "Split", "Slice", "Squeeze", "Unsqueeze", "Transpose", "Reshape", "Cast", "Identity")


@dataclass(frozen=True)
class Attention:
    """One attention: softmax(query key^T) value."""

    scores: onnx.NodeProto
    softmax: onnx.NodeProto
    mix: onnx.NodeProto
    between: tuple[str, ...]
    """Operators between the products and the softmax: masks and scales; casts are none."""
    sources: tuple[str, ...]
    """Tensors that query, key and value are cut from; one, where a single matrix makes all three."""


def find_attention(model: onnx.ModelProto) -> list[Attention]:
    """Every attention of the graph, in its order."""
    producers = {name: node for node in model.graph.node for name in node.output}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    found = []
    for softmax in model.graph.node:
        if softmax.op_type != "Softmax":
            continue
        between: list[str] = []
        scores = _product_before(softmax.input[0], producers, between)
        mix = _product_behind(softmax.output[0], users, between)
        if scores is None or mix is None:
            continue
        value = mix.input[1]
        sources = {_source(name, producers) for name in (*scores.input, value)}
        found.append(Attention(scores, softmax, mix, tuple(between), tuple(sorted(sources))))
    return found


def fusion_obstacles(model: onnx.ModelProto) -> list[str]:
    """What keeps attention from being fused, a line for each; empty where nothing does."""
    found = find_attention(model)
    lines = [] if found else ["no attention: no softmax lies between two matrix products"]
    for attention in found:
        name = attention.softmax.name or attention.softmax.output[0]
        if attention.between:
            lines.append(f"{name}: {', '.join(attention.between)} between the products and the softmax")
        if len(attention.sources) > 1:
            lines.append(f"{name}: query, key and value come from {len(attention.sources)} products, one is accepted")
    return lines


def _product_before(name: str, producers: dict[str, onnx.NodeProto], between: list[str]) -> onnx.NodeProto | None:
    node = producers.get(name)
    while node is not None and node.op_type in _BETWEEN:
        if node.op_type != "Cast":
            between.append(node.op_type)
        computed = [producers[entry] for entry in node.input if entry in producers]
        node = next((entry for entry in computed if entry.op_type in ("MatMul", *_BETWEEN)), None)
    return node if node is not None and node.op_type == "MatMul" else None


def _product_behind(name: str, users: dict[str, list[onnx.NodeProto]], between: list[str]) -> onnx.NodeProto | None:
    while True:
        following = users.get(name, [])
        product = next((node for node in following if node.op_type == "MatMul"), None)
        if product is not None:
            return product
        step = next((node for node in following if node.op_type in _BETWEEN), None)
        if step is None:
            return None
        if step.op_type != "Cast":
            between.append(step.op_type)
        name = step.output[0]


def _source(name: str, producers: dict[str, onnx.NodeProto]) -> str:
    node = producers.get(name)
    while node is not None and node.op_type in _LAYOUT:
        name = node.input[0]
        node = producers.get(name)
    return name
