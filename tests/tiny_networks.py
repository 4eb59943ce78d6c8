"""Tiny ONNX networks of the shape of the real ones: bytes in, depth and sky out, all dimensions free.

The depth is exp of one value per 14x14 patch, plus the mean of the image, resized back to the image: it depends on
the weights, on the place and on the input's size, so that a wrong shape, layout or batch shows. ``reference_infer`` is
the same in NumPy and OpenCV.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.golden import GoldenSample, save_golden
from depth_anything_ros.spec import EngineSpec, Licence, ResizeRule, save_spec, sha256_of, spec_path_of

PATCH = 14
_RANDOM = np.random.default_rng(7).normal(0.0, 1.0, (1, 3, PATCH, PATCH))
_WEIGHTS = ((_RANDOM - _RANDOM.mean()) / (255.0 * PATCH)).astype(np.float32)


def reference_infer(images_nhw3: NDArray[np.uint8], *, sky_threshold: float | None = 0.5) -> NDArray[np.float32]:
    """What an engine must give for the network of ``write_network``: (n, h, w), +Inf where blue is above."""
    depths = []
    for image_hw3 in images_nhw3:
        h, w = image_hw3.shape[:2]
        patches = image_hw3.reshape(h // PATCH, PATCH, w // PATCH, PATCH, 3).astype(np.float64)
        logits = np.einsum("aibjc,cij->ab", patches, _WEIGHTS[0].astype(np.float64)) + image_hw3.mean() / 255.0
        depth_hw = np.exp(cv2.resize(logits, (w, h), interpolation=cv2.INTER_LINEAR)).astype(np.float32)
        if sky_threshold is not None:
            depth_hw[image_hw3[:, :, 2] / 255.0 > sky_threshold] = np.inf
        depths.append(depth_hw)
    return np.stack(depths)


def make_spec(**changes: Any) -> EngineSpec:
    """A valid spec without an artifact on disk."""
    spec = EngineSpec(
        name="tiny",
        description="a network for tests",
        artifact="tiny.onnx",
        artifact_sha256="0" * 64,
        resize=ResizeRule(kind="long_side", side=56),
        max_batch=3,
        meaning="metric_canonical",
        canonical_focal_px=300.0,
        min_depth_m=0.1,
        max_depth_m=20.0,
        licence=Licence(id="Apache-2.0", category="permissive", source="made by a test"),
        sky_output="sky",
    )
    return dataclasses.replace(spec, **changes)


def write_network(
    folder: Path,
    *,
    name: str = "tiny",
    with_golden: bool = True,
    bias: float = 0.0,
    log_of_zero: bool = False,
    dimensions: tuple[str | int, str | int, str | int] = ("batch", "height", "width"),
    input_type: str = "UINT8",
    **changes: Any,
) -> Path:
    """Write ``name``.onnx, its spec and its golden sample; ``changes`` are fields of the spec.

    ``bias`` is added to the depth (it makes the golden sample wrong), ``log_of_zero`` makes the output NaN.
    """
    path = folder / f"{name}.onnx"
    path.write_bytes(_network_bytes(bias, log_of_zero, dimensions, input_type))
    golden: dict[str, str] = {}
    if with_golden:
        golden_path = folder / f"{name}.golden.npz"
        image_hw3 = np.random.default_rng(3).integers(0, 256, (28, 42, 3), dtype=np.uint8)
        save_golden(golden_path, GoldenSample(image_hw3, reference_infer(image_hw3[None])[0], tolerance=1e-4))
        golden = {"golden": golden_path.name, "golden_sha256": sha256_of(golden_path)}
    spec = make_spec(name=name, artifact=path.name, artifact_sha256=sha256_of(path), **golden)
    save_spec(spec_path_of(path), dataclasses.replace(spec, **changes))
    return path


def _network_bytes(
    bias: float, log_of_zero: bool, dimensions: tuple[str | int, str | int, str | int], input_type: str
) -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node
    nodes = [
        node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        node("Conv", ["nchw", "weights"], ["patches"], kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH]),
        node("ReduceMean", ["nchw"], ["mean"], axes=[1, 2, 3], keepdims=1),
        node("Div", ["mean", "white"], ["mean_1"]),
        node("Add", ["patches", "mean_1"], ["logits"]),
        node("Shape", ["nchw"], ["shape"]),
        node("Gather", ["shape", "which_sides"], ["sides"], axis=0),
        node("Shape", ["logits"], ["logits_shape"]),
        node("Gather", ["logits_shape", "which_batch"], ["batch_and_channel"], axis=0),
        node("Concat", ["batch_and_channel", "sides"], ["sizes"], axis=0),
        node(
            "Resize",
            ["logits", "", "", "sizes"],
            ["large"],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        node("Exp", ["large"], ["metres"]),
        node("Add", ["metres", "bias"], ["biased"]),
        node("Squeeze", ["biased", "channel_axis"], ["depth"]),
        node("Gather", ["float", "blue"], ["blue_255"], axis=3),
        node("Div", ["blue_255", "white"], ["sky"]),
    ]
    if log_of_zero:
        nodes[13] = node("Log", ["nothing"], ["minus_inf"])
        nodes.insert(14, node("Sub", ["minus_inf", "minus_inf"], ["nan"]))
        nodes.insert(15, node("Add", ["metres", "nan"], ["biased"]))
    constants = {
        "weights": _WEIGHTS,
        "white": np.float32(255.0),
        "bias": np.float32(bias),
        "nothing": np.zeros(1, np.float32),
        "which_sides": np.array([2, 3]),
        "which_batch": np.array([0, 1]),
        "channel_axis": np.array([1]),
        "blue": np.array(2),
    }
    used = {name for item in nodes for name in item.input}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.DataType.Value(input_type), [*dimensions, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dimensions) for name in ("depth", "sky")],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items() if name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
