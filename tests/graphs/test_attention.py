"""What a compiler needs to make one kernel of attention: the graphs have it, and what has not is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from depth_anything_ros.errors import EngineError
from depth_anything_ros.graphs import ATTENTION_OUTPUT, RUNGS, make_graph
from depth_anything_ros.graphs.attention import find_attention, fusion_obstacles
from tests.graphs.graph_helpers import graph_of, pictures, run, starter_graph
from tests.tiny_networks import make_spec, write_network

node = helper.make_node


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("batch", [1, None])
def test_the_starter_has_no_mask_no_scale_and_one_product_for_query_key_and_value(rung: str, batch: int | None) -> None:
    model = onnx.load_from_string(starter_graph(rung, (batch, 98, 126)))
    assert len(find_attention(model)) == 4
    assert fusion_obstacles(model) == []


def test_an_exported_network_has_them_too(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="exports with PyTorch (extra convert)")
    from depth_anything_ros.networks import NetworkConfig, build_network
    from depth_anything_ros.networks.export import export_onnx

    path = tmp_path / "vit_small.onnx"
    export_onnx(build_network(NetworkConfig.vit_small()), path)
    model = onnx.load_from_string(make_graph(path.read_bytes(), make_spec(), "fp16", shape=(1, 56, 70)))
    assert len(find_attention(model)) == 12
    assert fusion_obstacles(model) == []


def attention(*, mask: bool = False, scale: bool = False, one_product: bool = True) -> onnx.ModelProto:
    """Attention over the rows of the image, as a graph made by hand."""
    names = ["query", "key", "value"]
    nodes = [
        node("Cast", ["image"], ["pixels"], to=1),
        node("ReduceMean", ["pixels"], ["grey"], axes=[3], keepdims=0),
    ]
    if one_product:
        nodes += [node("MatMul", ["grey", "weights3"], ["qkv"]), node("Split", ["qkv"], names, axis=2)]
    else:
        nodes += [node("MatMul", ["grey", "weights"], [name]) for name in names]
    nodes += [
        node("Transpose", ["key"], ["key_t"], perm=[0, 2, 1]),
        node("MatMul", ["query", "key_t"], ["scores"]),
    ]
    last = "scores"
    for wanted, kind, by in ((scale, "Mul", "eighth"), (mask, "Add", "none")):
        if wanted:
            nodes.append(node(kind, [last, by], [f"{last}_{kind}"]))
            last = f"{last}_{kind}"
    nodes += [node("Softmax", [last], ["shares"], axis=-1), node("MatMul", ["shares", "value"], ["depth"])]
    data, _ = graph_of(
        nodes,
        weights=np.eye(28, dtype=np.float32),
        weights3=np.tile(np.eye(28, dtype=np.float32), 3),
        eighth=np.float32(0.125),
        none=np.zeros((28, 28), np.float32),
    )
    return onnx.load_from_string(data)


def test_a_mask_a_scale_and_three_products_are_told() -> None:
    assert fusion_obstacles(attention()) == []
    for changes, expected in (
        ({"mask": True}, ["shares: Add between the products and the softmax"]),
        ({"scale": True}, ["shares: Mul between the products and the softmax"]),
        ({"one_product": False}, ["shares: query, key and value come from 3 products, one is accepted"]),
    ):
        assert fusion_obstacles(attention(**changes)) == expected
    both = attention(mask=True, scale=True, one_product=False)
    assert [found.between for found in find_attention(both)] == [("Add", "Mul")]
    assert len(fusion_obstacles(both)) == 2


def test_a_graph_without_attention_says_so(tmp_path: Path) -> None:
    model = onnx.load(write_network(tmp_path, with_golden=False))
    assert find_attention(model) == [] and fusion_obstacles(model)[0].startswith("no attention")


def test_an_unfused_graph_hands_out_the_largest_weight_of_every_layer() -> None:
    images = pictures(2, 98, 126)
    plain = onnx.load_from_string(starter_graph("fp32", (2, 98, 126)))
    softmaxes = [found.softmax.output[0] for found in find_attention(plain)]
    plain.graph.output.extend(helper.make_tensor_value_info(name, 1, None) for name in softmaxes)
    weights = run(plain.SerializeToString(), images)
    expected = np.stack([weights[name].max(axis=(1, 2, 3)) for name in softmaxes], axis=1)
    for batch in (2, None):
        found = run(starter_graph("fp16-unfused", (batch, 98, 126)), images)
        assert list(found) == ["depth", "sky", ATTENTION_OUTPUT]
        assert found[ATTENTION_OUTPUT].dtype == np.float32
        np.testing.assert_allclose(found[ATTENTION_OUTPUT], expected, rtol=2e-2)


def test_a_network_without_attention_cannot_be_unfused(tmp_path: Path) -> None:
    path = write_network(tmp_path, with_golden=False)
    with pytest.raises(EngineError, match="no attention that could be unfused"):
        make_graph(path.read_bytes(), make_spec(), "fp16-unfused", shape=(1, 28, 42))
