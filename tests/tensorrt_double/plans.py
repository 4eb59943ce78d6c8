"""Plans for tests, built with whatever ``tensorrt`` is installed at the moment."""

from __future__ import annotations

import onnx

from depth_anything_ros.engines.tensorrt_api import TensorRt


def build_plan(
    api: TensorRt,
    network: bytes,
    *,
    size_hw: tuple[int, int] = (28, 42),
    max_batch: int = 3,
    input_name: str = "image",
    name: str = "tiny fp32",
) -> bytes:
    """A plan for 1 to ``max_batch`` images; the test fails where TensorRT builds none."""
    trt = api.module
    builder = trt.Builder(api.logger)
    definition = builder.create_network(api.network_flags())
    definition.name = name
    parser = trt.OnnxParser(definition, api.logger)
    assert parser.parse(network), [parser.get_error(i).desc() for i in range(parser.num_errors)]
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    profile.set_shape(input_name, (1, *size_hw, 3), (max_batch, *size_hw, 3), (max_batch, *size_hw, 3))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(definition, config)
    assert plan is not None, api.logger.errors()
    return bytes(plan)


def with_extra_output(network: bytes, tensor: str, shape: tuple[int, ...]) -> bytes:
    """The network with one of its inner tensors, of a known shape, as an output, too."""
    model = onnx.load_model_from_string(network)
    model.graph.output.append(onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, shape))
    return bytes(model.SerializeToString())


def static(network: bytes, shape: tuple[int, int, int]) -> bytes:
    """The network with its free dimensions fixed to (n, h, w), and the shapes of all its tensors known."""
    model = onnx.load_model_from_string(network)
    sizes = dict(zip(("batch", "height", "width"), shape, strict=True))
    for value in (*model.graph.input, *model.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in sizes:
                dimension.dim_value = sizes[dimension.dim_param]
    return bytes(onnx.shape_inference.infer_shapes(model, data_prop=True).SerializeToString())
