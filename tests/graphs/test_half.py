"""fp16 where it is fast, fp32 where it counts, and every type in the graph explicit."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from depth_anything_ros.errors import EngineError
from depth_anything_ros.graphs import RUNGS, make_graph
from depth_anything_ros.graphs.half import to_half
from depth_anything_ros.graphs.parity import compare, on_onnxruntime
from depth_anything_ros.graphs.rounding import rounding_graph
from depth_anything_ros.graphs.static import fixed_graph
from tests.graphs.graph_helpers import graph_of, input_types, nodes_of, pictures, run, starter, starter_graph

node = helper.make_node
SHAPE = (1, 98, 126)


@pytest.mark.parametrize("rung", RUNGS[:3])
def test_every_tensor_has_one_type_and_input_and_outputs_keep_theirs(rung: str) -> None:
    data = starter_graph(rung, SHAPE)
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)  # refuses a node that mixes types
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert {entry.type.tensor_type.elem_type for entry in model.graph.output} == {TensorProto.FLOAT}
    assert len(data) < 0.55 * len(starter_graph("fp32", SHAPE))


def test_weights_are_half_but_for_norms_and_what_follows_the_last_weights() -> None:
    data = starter_graph("fp16", SHAPE)
    kinds = {
        (item.op_type, name)
        for item in nodes_of(data, "Conv", "ConvTranspose", "MatMul")
        for name in input_types(data, item)
    }
    assert ("MatMul", "FLOAT16") in kinds and ("MatMul", "FLOAT") not in kinds
    assert ("ConvTranspose", "FLOAT16") in kinds and ("ConvTranspose", "FLOAT") not in kinds
    in_float = [item.name for item in nodes_of(data, "Conv") if "FLOAT" in input_types(data, item)]
    assert in_float == ["/head/Conv"], "the head's last convolution, whose value is the logarithm of depth"
    for item in nodes_of(data, "LayerNormalization", "InstanceNormalization", "Exp", "Clip", "Sigmoid", "Sub"):
        assert set(input_types(data, item)) == {"FLOAT"}, item.name
    for item in nodes_of(data, "Relu", "Erf", "Softmax"):
        assert set(input_types(data, item)) == {"FLOAT16"}, item.name


@pytest.mark.parametrize(
    ("rung", "products", "softmax"),
    [("fp16", "FLOAT16", "FLOAT16"), ("fp16-attention-fp32", "FLOAT", "FLOAT"), ("fp16-unfused", "FLOAT16", "FLOAT")],
)
def test_attention_is_of_the_rungs_type(rung: str, products: str, softmax: str) -> None:
    data = starter_graph(rung, SHAPE)
    model = onnx.load_from_string(data)
    weights = {tensor.name for tensor in model.graph.initializer}
    inner = [item for item in nodes_of(data, "MatMul") if not weights & set(item.input)]
    assert len(inner) == 8 and {name for item in inner for name in input_types(data, item)} == {products}
    found = nodes_of(data, "Softmax")
    assert len(found) == 4 and {name for item in found for name in input_types(data, item)} == {softmax}
    linear = [item for item in nodes_of(data, "MatMul") if weights & set(item.input)]
    assert {name for item in linear for name in input_types(data, item)} == {"FLOAT16"}


@pytest.mark.parametrize("rung", RUNGS[:3])
@pytest.mark.parametrize("batch", [2, None])
def test_rounding_every_tensor_to_fp16_moves_depth_by_a_thousandth_at_most(rung: str, batch: int | None) -> None:
    data, _ = starter()
    half = rounding_graph(starter_graph(rung, (batch, 98, 126)))
    images = pictures(2, 98, 126)
    found, expected = run(half, images)["depth"], run(data, images)["depth"]
    assert 1e-5 < float(np.mean(np.abs(found - expected) / expected)) < 1.5e-3


def test_a_norm_spelt_out_survives_what_fp16_cannot_hold() -> None:
    """Sums of squares of tokens in the thousands are beyond fp16; opsets before 17 have no norm of their own."""
    ramp = np.linspace(-3.0, 3.0, 64, dtype=np.float32).reshape(1, 1, 1, 64)
    data, spec = graph_of(
        [
            node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
            node("ReduceMean", ["pixels"], ["grey"], axes=[3], keepdims=1),
            node("MatMul", ["grey", "widen"], ["tokens"]),
            node("ReduceMean", ["tokens"], ["mean"], axes=[3], keepdims=1),
            node("Sub", ["tokens", "mean"], ["centred"]),
            node("Pow", ["centred", "two"], ["squared"]),
            node("ReduceMean", ["squared"], ["variance"], axes=[3], keepdims=1),
            node("Add", ["variance", "epsilon"], ["safe"]),
            node("Sqrt", ["safe"], ["deviation"]),
            node("Div", ["centred", "deviation"], ["normed"]),
            node("MatMul", ["normed", "narrow"], ["far"]),
            node("Squeeze", ["far", "last"], ["depth"]),
        ],
        opset=13,
        widen=(10.0 * ramp[0, 0]).astype(np.float32),
        narrow=np.full((64, 1), 0.1, np.float32) + ramp.reshape(64, 1),
        two=np.float32(2.0),
        epsilon=np.float32(1e-6),
        last=np.array([3]),
    )
    half = rounding_graph(make_graph(data, spec, "fp16", shape=(1, 28, 28)))
    images = 60 + pictures(1, 28, 28) // 2
    difference = compare(on_onnxruntime(half, spec), on_onnxruntime(data, spec), list(images))
    assert difference.abs_rel < 2e-3
    largest = 10.0 * 3.0 * float(images.max())
    assert largest**2 > 65504 > largest


def test_a_weight_beyond_fp16_is_refused_by_name() -> None:
    data, spec = starter()
    model = onnx.load_from_string(data)
    for tensor in model.graph.initializer:
        if tensor.name == "backbone.encoder.layer.1.mlp.fc1.bias_half":
            values = numpy_helper.to_array(tensor).astype(np.float32)
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values + 1e5, name))
    with pytest.raises(EngineError, match=r"layer\.1\.mlp\.fc1\.bias\S* reaches 1\d+; fp16 holds up to 65504"):
        make_graph(model.SerializeToString(), spec, "fp16", shape=SHAPE)


def test_a_graph_in_half_can_stay_where_it_is() -> None:
    """Applied twice it changes nothing: what is fp16 already is left alone."""
    data, spec = starter()
    model = fixed_graph(data, spec, SHAPE)
    to_half(model, spec)
    once = model.SerializeToString()
    to_half(model, spec)
    images = pictures(*SHAPE)
    np.testing.assert_array_equal(run(once, images)["depth"], run(model.SerializeToString(), images)["depth"])
    assert len(model.graph.node) == len(onnx.load_from_string(once).graph.node)


def test_sky_is_optional() -> None:
    data, spec = starter()
    spec = dataclasses.replace(spec, sky_output=None)
    found = run(make_graph(data, spec, "fp16", shape=SHAPE), pictures(*SHAPE))
    assert found["depth"].dtype == np.float32
