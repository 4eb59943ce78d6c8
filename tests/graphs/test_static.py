"""A graph of fixed size gives what the free one gives, and nothing in it computes shapes any more."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from depth_anything_ros.errors import EngineError
from depth_anything_ros.graphs.static import fixed_graph
from depth_anything_ros.spec import load_spec, spec_path_of
from tests.graphs.graph_helpers import graph_of, pictures, run, starter
from tests.tiny_networks import reference_infer, write_network

node = helper.make_node


@pytest.mark.parametrize("shape", [(1, 98, 126), (1, 126, 98), (1, 56, 56), (2, 70, 126)])
def test_it_gives_what_the_free_graph_gives(
    shape: tuple[int, int, int], tolerance: Mapping[str, Mapping[str, float]]
) -> None:
    data, spec = starter()
    model = fixed_graph(data, spec, shape)
    images = pictures(*shape)
    found, expected = run(model.SerializeToString(), images), run(data, images)
    assert list(found) == ["depth", "sky"]
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, **tolerance["engine"])
    shapes = [[dim.dim_value for dim in entry.type.tensor_type.shape.dim] for entry in model.graph.output]
    assert shapes == [list(shape)] * 2


def test_shapes_and_the_position_embedding_are_folded_and_the_opset_stays() -> None:
    data, spec = starter()
    assert any(_is_cubic(item) for item in onnx.load_from_string(data).graph.node)
    model = fixed_graph(data, spec, (1, 98, 126))
    onnx.checker.check_model(model, full_check=True)
    kinds = {item.op_type for item in model.graph.node}
    assert not kinds & {"Shape", "ConstantOfShape", "Expand", "Constant", "Gemm", "Range"}
    assert not any(_is_cubic(item) for item in model.graph.node)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]


def test_nothing_but_a_cast_looks_at_bytes() -> None:
    """TensorRT takes uint8 as the type of an input and of what is cast, and nowhere else."""
    data, spec = starter()
    assert [item.op_type for item in onnx.load_from_string(data).graph.node if "image" in item.input] != ["Cast"]
    for batch in (1, None):
        model = fixed_graph(data, spec, (batch, 98, 126))
        assert [item.op_type for item in model.graph.node if "image" in item.input] == ["Cast"]


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_a_free_batch_takes_every_batch(batch: int, tolerance: Mapping[str, Mapping[str, float]]) -> None:
    data, spec = starter()
    model = fixed_graph(data, spec, (None, 70, 98))
    onnx.checker.check_model(model, full_check=True)
    for entry in (*model.graph.input, *model.graph.output):
        first, *others = entry.type.tensor_type.shape.dim
        assert first.dim_param == "batch" and all(dim.dim_value for dim in others)
    images = pictures(batch, 70, 98, seed=batch)
    found, expected = run(model.SerializeToString(), images), run(data, images)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, **tolerance["engine"])


def test_a_network_without_attention_is_fixed_too(tmp_path: Path, tolerance: Mapping[str, Mapping[str, float]]) -> None:
    path = write_network(tmp_path)
    spec = load_spec(spec_path_of(path))
    for batch in (2, None):
        data = fixed_graph(path.read_bytes(), spec, (batch, 28, 42)).SerializeToString()
        images = pictures(2, 28, 42)
        expected = reference_infer(images, sky_threshold=None)
        np.testing.assert_allclose(run(data, images)["depth"], expected, **tolerance["engine"])


@pytest.mark.parametrize("shape", [(1, 97, 126), (1, 98, 0), (0, 98, 126), (1, 7, 14)])
def test_a_shape_that_the_network_cannot_take_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(EngineError, match=r"cannot take .*; accepted: h and w multiples of 14"):
        fixed_graph(*starter(), shape)


def test_another_size_than_the_file_is_fixed_to_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path, dimensions=(1, 28, 42), with_golden=False)
    spec = load_spec(spec_path_of(path))
    assert fixed_graph(path.read_bytes(), spec, (1, 28, 42)).graph.node
    with pytest.raises(EngineError, match=r"tiny\.onnx takes 1x28x42x3, not 1x42x42x3"):
        fixed_graph(path.read_bytes(), spec, (1, 42, 42))


def test_what_is_no_such_network_is_refused(tmp_path: Path) -> None:
    data, spec = starter()
    with pytest.raises(EngineError, match=r"starter\.onnx is no ONNX file"):
        fixed_graph(b"\xff" + data[:100], spec, (1, 98, 126))
    with pytest.raises(EngineError, match="has no output 'far'"):
        fixed_graph(data, dataclasses.replace(spec, depth_output="far"), (1, 98, 126))
    path = write_network(tmp_path, input_type="FLOAT", with_golden=False)
    with pytest.raises(EngineError, match="accepted: uint8 'image' alone"):
        fixed_graph(path.read_bytes(), load_spec(spec_path_of(path)), (1, 28, 42))


def test_an_operator_of_another_domain_is_refused() -> None:
    data, spec = graph_of(
        [
            node("Cast", ["image"], ["pixels"], to=1),
            node("ReduceMean", ["pixels"], ["grey"], axes=[3], keepdims=0),
            node("QuickGelu", ["grey"], ["depth"], domain="com.microsoft"),
        ]
    )
    model = onnx.load_from_string(data)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(EngineError, match=r"needs com\.microsoft\.QuickGelu"):
        fixed_graph(model.SerializeToString(), spec, (1, 28, 28))


def test_a_graph_that_depends_on_the_batch_otherwise_is_refused_with_a_free_one() -> None:
    data, spec = graph_of(
        [
            node("Cast", ["image"], ["pixels"], to=1),
            node("ReduceMean", ["pixels"], ["grey"], axes=[3], keepdims=0),
            node("Shape", ["pixels"], ["shape"]),
            node("Gather", ["shape", "first"], ["batch"]),
            node("Cast", ["batch"], ["number"], to=1),
            node("Mul", ["grey", "number"], ["depth"]),
        ],
        first=np.array(0),
    )
    expected = 2 * pictures(2, 28, 28).mean(axis=3)
    fixed = fixed_graph(data, spec, (2, 28, 28)).SerializeToString()
    np.testing.assert_allclose(run(fixed, pictures(2, 28, 28))["depth"], expected, rtol=1e-5)
    with pytest.raises(EngineError, match="depends on the batch; build it for a fixed batch"):
        fixed_graph(data, spec, (None, 28, 28))


def _is_cubic(item: onnx.NodeProto) -> bool:
    return item.op_type == "Resize" and any(a.name == "mode" and a.s == b"cubic" for a in item.attribute)
