"""Tiny ONNX networks in the forms that people have: normalised NCHW floats or bytes in, one value per pixel out.

The value is the mean of the image's channels, smoothed over patches of 14, plus a little of the place in it, so that a
wrong size, layout, batch or normalisation shows. ``answer`` is the same in NumPy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

PATCH = 14
MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])
WEIGHTS = np.array([0.5, 0.3, 0.1])
OFFSET = 2.0


def answer(image_hw3: NDArray[np.uint8], *, input_range: str = "normalised") -> NDArray[np.float64]:
    """What a network of ``write_foreign`` gives for an image (h, w, 3): (h, w)."""
    pixels = image_hw3.astype(np.float64)
    if input_range == "normalised":
        pixels = (pixels / 255.0 - MEAN) / STD
    elif input_range == "0..1":
        pixels = pixels / 255.0
    h, w = image_hw3.shape[:2]
    patches = (pixels @ WEIGHTS).reshape(h // PATCH, PATCH, w // PATCH, PATCH).mean(axis=(1, 3)) + OFFSET
    return np.maximum(patches.repeat(PATCH, axis=0).repeat(PATCH, axis=1), 0.0)


def write_foreign(
    path: Path,
    *,
    input_name: str = "pixel_values",
    output_name: str = "predicted_depth",
    is_float: bool = True,
    is_nchw: bool = True,
    rank: int = 3,
    dims: tuple[str | int, str | int, str | int] = ("batch_size", "height", "width"),
    opset: int = 17,
    scale: float = 1.0,
    frozen_size: tuple[int, int] | None = None,
    frozen_batch: bool = False,
    second_output: str = "",
    external: bool = False,
) -> Path:
    """Write a network; ``frozen_size`` and ``frozen_batch`` are the faults of an export from one example."""
    node = helper.make_node
    nodes = [node("Cast", [input_name], ["float"], to=TensorProto.FLOAT)]
    if not is_nchw:
        nodes.append(node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]))
    source = "float" if is_nchw else "nchw"
    kernel = np.broadcast_to(WEIGHTS[:, None, None] / PATCH**2, (1, 3, PATCH, PATCH)).astype(np.float32)
    constants: dict[str, NDArray[Any]] = {"kernel": kernel, "offset": np.array([OFFSET], np.float32)}
    nodes += [
        node("Conv", [source, "kernel", "offset"], ["patches"], kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH]),
        node("Relu", ["patches"], ["positive"]),
    ]
    if frozen_size is not None:
        constants["sizes"] = np.array([1, 1, *frozen_size])
    else:
        constants.update(which_sides=np.array([2, 3]), which_batch=np.array([0, 1]))
        nodes += [
            node("Shape", [source], ["shape"]),
            node("Gather", ["shape", "which_sides"], ["sides"], axis=0),
            node("Shape", ["positive"], ["patches_shape"]),
            node("Gather", ["patches_shape", "which_batch"], ["front"], axis=0),
            node("Concat", ["front", "sides"], ["sizes"], axis=0),
        ]
    modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    constants["nothing"] = np.zeros(0, np.float32)  # opset 11 has no way to leave an input out
    nodes.append(node("Resize", ["positive", "nothing", "nothing", "sizes"], ["large"], **modes))
    constants["scale"] = np.array(scale, np.float32)
    nodes.append(node("Mul", ["large", "scale"], ["scaled"]))
    last = "scaled"
    if frozen_batch:  # every image of a batch gets the first one's depth
        constants.update(first=np.array([0]), zero=np.array(0.0, np.float32))
        nodes += [
            node("Gather", ["scaled", "first"], ["one"], axis=0),
            node("Mul", ["scaled", "zero"], ["none"]),
            node("Add", ["one", "none"], ["same"]),
        ]
        last = "same"
    if rank == 4:
        nodes.append(node("Identity", [last], [output_name]))
    elif opset >= 13:
        constants["channel"] = np.array([1])
        nodes.append(node("Squeeze", [last, "channel"], [output_name]))
    else:
        nodes.append(node("Squeeze", [last], [output_name], axes=[1]))
    output_dims = [dims[0], 1, *dims[1:]] if rank == 4 else list(dims)
    outputs = [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, output_dims)]
    if second_output:
        nodes.append(node("Sigmoid", [output_name], [second_output]))
        outputs.append(helper.make_tensor_value_info(second_output, TensorProto.FLOAT, output_dims))
    kind = TensorProto.FLOAT if is_float else TensorProto.UINT8
    shape = [dims[0], 3, *dims[1:]] if is_nchw else [*dims, 3]
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info(input_name, kind, shape)],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path, save_as_external_data=external, location=f"{path.name}.data", size_threshold=64)
    return path
