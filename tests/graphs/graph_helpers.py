"""What the tests of graphs share: running one, looking into one, and small graphs made by hand."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from depth_anything_ros.engine import STARTER
from depth_anything_ros.graphs import make_graph
from depth_anything_ros.graphs.half import tensor_types
from depth_anything_ros.spec import EngineSpec, load_spec, spec_path_of
from tests.tiny_networks import make_spec


def starter() -> tuple[bytes, EngineSpec]:
    return STARTER.read_bytes(), load_spec(spec_path_of(STARTER))


def pictures(n: int, h: int, w: int, seed: int = 0) -> NDArray[np.uint8]:
    """Blocks of random colour, so that neighbouring patches differ and pixels within one do not only."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, h // 7, w // 7, 3), dtype=np.uint8)
    return coarse.repeat(7, axis=1).repeat(7, axis=2)


def run(data: bytes, images_nhw3: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Every output of a graph, by name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": images_nhw3}), strict=True))


def nodes_of(data: bytes, *kinds: str) -> list[onnx.NodeProto]:
    return [node for node in onnx.load_from_string(data).graph.node if node.op_type in kinds]


def input_types(data: bytes, node: onnx.NodeProto) -> list[str]:
    return [TensorProto.DataType.Name(_types(data)[name]) for name in node.input if name]


@functools.lru_cache(maxsize=2)
def _types(data: bytes) -> dict[str, int]:
    model = onnx.load_from_string(data)
    return tensor_types(model) | {tensor.name: tensor.data_type for tensor in model.graph.initializer}


@functools.lru_cache(maxsize=8)
def starter_graph(rung: str, shape: tuple[int | None, int, int]) -> bytes:
    return make_graph(*starter(), rung, shape=shape)


def graph_of(nodes: list[onnx.NodeProto], opset: int = 17, **constants: Any) -> tuple[bytes, EngineSpec]:
    """A network of ``nodes`` between "image" and "depth", with a spec without sky that fits it."""
    sides = ["batch", "height", "width"]
    graph = helper.make_graph(
        nodes,
        "by hand",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [*sides, 3])],
        [helper.make_tensor_value_info("depth", TensorProto.FLOAT, sides)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return model.SerializeToString(), dataclasses.replace(make_spec(), sky_output=None)
