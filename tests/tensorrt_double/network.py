"""What the stand-in does with an ONNX network: check it as TensorRT's parser would, and run it on ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

MAX_OPSET = {"10": 20, "11": 25}
"""By major version, from NVIDIA's release notes."""
DATA_TYPES = {
    TensorProto.FLOAT: "FLOAT",
    TensorProto.FLOAT16: "HALF",
    TensorProto.UINT8: "UINT8",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
    TensorProto.BOOL: "BOOL",
}
_PATCH = 14


@dataclass(frozen=True)
class Tensor:
    """A named input or output; -1 for a dimension that is free."""

    name: str
    data_type: str
    shape: tuple[int, ...]


class Network:
    """A parsed network."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.model = onnx.load_model_from_string(data)

    @cached_property
    def inputs(self) -> list[Tensor]:
        weights = {item.name for item in self.model.graph.initializer}
        return [_tensor(value) for value in self.model.graph.input if value.name not in weights]

    @cached_property
    def outputs(self) -> list[Tensor]:
        return [_tensor(value) for value in self.model.graph.output]

    @cached_property
    def half(self) -> bool:
        """Whether it holds float16 weights or casts to them."""
        weights = any(item.data_type == TensorProto.FLOAT16 for item in self.model.graph.initializer)
        casts = any(
            attribute.i == TensorProto.FLOAT16
            for node in self.model.graph.node
            if node.op_type == "Cast"
            for attribute in node.attribute
            if attribute.name == "to"
        )
        return weights or casts

    def refusal(self, version: str) -> str:
        """Why TensorRT would not take it; "" where it would."""
        try:
            onnx.shape_inference.infer_shapes(self.model, check_type=True, strict_mode=True)
        except onnx.shape_inference.InferenceError as error:
            return f"the types or shapes do not fit: {' '.join(str(error).split())[:200]}"
        for opset in self.model.opset_import:
            highest = MAX_OPSET[version.partition(".")[0]]
            if opset.domain not in ("", "ai.onnx") or opset.version > highest:
                return f"opset {opset.version} of the domain {opset.domain!r} is not supported"
        for tensor in (*self.inputs, *self.outputs):
            if tensor.data_type == "UINT8":
                for node in self.model.graph.node:
                    to = [attribute.i for attribute in node.attribute if attribute.name == "to"]
                    converts = node.op_type == "Cast" and to and to[0] in (TensorProto.FLOAT, TensorProto.FLOAT16)
                    if tensor.name in node.input and not converts:
                        return f"{node.op_type} takes the UINT8 input {tensor.name}; only a Cast to FLOAT or HALF may"
        return ""


class Execution:
    """A network ready to run, with what a miscompiled plan does to its outputs."""

    def __init__(self, data: bytes, faults: set[str]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self._faults = faults

    def __call__(self, inputs: dict[str, NDArray[Any]], outputs: list[str]) -> list[NDArray[Any]]:
        """The named outputs."""
        return [self._break(array) for array in self._session.run(outputs, inputs)]

    def _break(self, array: NDArray[Any]) -> NDArray[Any]:
        if array.dtype.kind != "f":
            return array
        if "nan" in self._faults:
            return np.full_like(array, np.nan)
        if "scaled" in self._faults:
            return (array * 1.5).astype(array.dtype)
        if "shuffled" in self._faults and array.ndim == 3:
            n, h, w = array.shape
            tiles = array.reshape(n, h // _PATCH, _PATCH, w // _PATCH, _PATCH).swapaxes(2, 3)
            order = np.random.default_rng(1).permutation((h // _PATCH) * (w // _PATCH))
            mixed = tiles.reshape(n, -1, _PATCH, _PATCH)[:, order].reshape(tiles.shape)
            return np.ascontiguousarray(mixed.swapaxes(2, 3).reshape(n, h, w))
        return array


def _tensor(value: Any) -> Tensor:
    kind = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim)
    return Tensor(value.name, DATA_TYPES[kind.elem_type], shape)
