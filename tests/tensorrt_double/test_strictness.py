"""What TensorRT would refuse, or get wrong, is an error with the stand-in, and its faults do what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest

from depth_anything_ros.engines.tensorrt_api import TensorRt, find_tensorrt
from tests.tensorrt_double.install import Rig, installed
from tests.tensorrt_double.plans import build_plan, static
from tests.tensorrt_double.settings import Fault, Gpu, Settings
from tests.tiny_networks import reference_infer, write_network

SHAPE = (1, 28, 42)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_network(tmp_path_factory.mktemp("network")).read_bytes()


@pytest.fixture
def rig() -> Iterator[Rig]:
    with installed() as made:
        yield made


def context_of(api: TensorRt, plan: bytes, strategy: str = "STATIC") -> Any:
    runtime = api.module.Runtime(api.logger)
    strategies = api.module.ExecutionContextAllocationStrategy
    return runtime.deserialize_cuda_engine(plan).create_execution_context(strategies[strategy])


def run_once(rig: Rig, context: Any) -> np.ndarray:
    """Depth of an image of zeros, through the GPU's own functions."""
    n, h, w = SHAPE
    handle = rig.gpu.create_stream()
    addresses = {"image": rig.gpu.allocate(n * h * w * 3), "depth": rig.gpu.allocate(n * h * w * 4)}
    addresses["sky"] = rig.gpu.allocate(n * h * w * 4)
    rig.gpu.block(addresses["image"], n * h * w * 3).fill(0)
    context.set_input_shape("image", (*SHAPE, 3))
    for name, address in addresses.items():
        context.set_tensor_address(name, address)
    assert context.execute_async_v3(handle)
    rig.gpu.synchronize(handle)
    return rig.gpu.block(addresses["depth"], n * h * w * 4).view(np.float32).reshape(SHAPE).copy()


def test_a_graph_is_stale_when_its_context_has_changed(rig: Rig, network: bytes) -> None:
    context = context_of(find_tensorrt(), build_plan(find_tensorrt(), network))
    run_once(rig, context)
    handle = rig.gpu.create_stream()
    rig.gpu.begin_capture(handle)
    assert context.execute_async_v3(handle)
    recorded = rig.gpu.end_capture(handle) or []
    context.set_input_shape("image", (2, 28, 42, 3))
    for work in recorded:
        rig.gpu.enqueue(handle, work)
    with pytest.raises(AssertionError, match="replayed after its context had been changed"):
        rig.gpu.synchronize(handle)


def test_the_first_run_cannot_be_recorded(rig: Rig, network: bytes) -> None:
    api = find_tensorrt()
    context = context_of(api, build_plan(api, network))
    context.set_input_shape("image", (*SHAPE, 3))
    for name in ("image", "depth", "sky"):
        context.set_tensor_address(name, rig.gpu.allocate(28 * 42 * 4))
    handle = rig.gpu.create_stream()
    rig.gpu.begin_capture(handle)
    assert not context.execute_async_v3(handle)
    assert rig.gpu.end_capture(handle) is None
    assert "when stream is capturing" in api.reason()


def test_a_context_needs_shapes_addresses_and_memory(rig: Rig, network: bytes) -> None:
    api, handle = find_tensorrt(), rig.gpu.create_stream()
    plan = build_plan(api, network)
    with pytest.raises(AssertionError, match="no device memory"):
        context_of(api, plan, "USER_MANAGED").execute_async_v3(handle)
    context = context_of(api, plan)
    assert context.infer_shapes() == ["image"] and not context.execute_async_v3(handle)
    assert not context.set_input_shape("image", (4, 28, 42, 3))
    assert context.set_input_shape("image", (3, 28, 42, 3)) and context.infer_shapes() == []
    assert tuple(context.get_tensor_shape("depth")) == (3, 28, 42)
    assert not context.execute_async_v3(handle)
    assert "the address of image was not set" in api.logger.errors()[-1]
    with pytest.raises(AssertionError, match="not aligned"):
        context.set_tensor_address("image", (rig.gpu.allocate(512) or 0) + 4)
    with pytest.raises(AssertionError, match="default stream"):
        context.execute_async_v3(0)


def test_a_plan_is_a_buffer_and_no_bytes(rig: Rig, network: bytes) -> None:
    memory = rig.tensorrt.IHostMemory(b"plan")
    assert memory.nbytes == 4 and bytes(memory) == bytes(memoryview(memory)) == b"plan"
    for misuse in (len, lambda plan: plan[0], lambda plan: plan.hex()):
        with pytest.raises((TypeError, AttributeError)):
            misuse(memory)


def edited(network: bytes, edit: Any) -> bytes:
    model = onnx.load_model_from_string(network)
    edit(model)
    return bytes(model.SerializeToString())


def transpose_bytes(model: Any) -> None:
    model.graph.node.append(onnx.helper.make_node("Transpose", ["image"], ["bytes"], perm=[0, 3, 1, 2]))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (transpose_bytes, "Transpose takes the UINT8 input image; only a Cast to FLOAT or HALF may"),
        (lambda model: setattr(model.opset_import[0], "version", 21), "opset 21"),
        (lambda model: model.opset_import.add(domain="com.microsoft", version=1), "domain 'com.microsoft'"),
        (lambda model: setattr(model.graph.node[0].attribute[0], "i", onnx.TensorProto.FLOAT16), "types or shapes"),
    ],
)
def test_networks_that_tensorrt_would_not_take_are_refused(rig: Rig, network: bytes, edit: Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        build_plan(find_tensorrt(), edited(network, edit))


def test_what_is_no_network_is_refused(rig: Rig) -> None:
    with pytest.raises(AssertionError, match="Failed to parse the ONNX model"):
        build_plan(find_tensorrt(), b"no network")


def test_a_free_dimension_needs_a_profile(rig: Rig, network: bytes) -> None:
    api = find_tensorrt()
    trt = api.module

    def build(data: bytes) -> Any:
        builder = trt.Builder(api.logger)
        definition = builder.create_network(api.network_flags())
        assert trt.OnnxParser(definition, api.logger).parse(data)
        return builder.build_serialized_network(definition, builder.create_builder_config())

    assert build(network) is None and "no optimization profile" in api.reason()
    assert build(static(network, SHAPE)) is not None
    with pytest.raises(AssertionError, match=r"does not fit the network's"):
        build_plan(api, static(network, SHAPE), size_hw=(28, 56), max_batch=1)
    with pytest.raises(AssertionError, match="names pixels"):
        build_plan(api, static(network, SHAPE), input_name="pixels", max_batch=1)


def test_a_builder_without_a_gpu_is_the_bindings_type_error() -> None:
    with installed(Settings(gpu=None)) as rig, pytest.raises(TypeError, match="factory function returned nullptr"):
        rig.tensorrt.Builder(find_tensorrt().logger)


@pytest.mark.parametrize("kind", ["nan", "scaled", "shuffled"])
def test_a_plan_keeps_the_fault_that_it_was_built_with(network: bytes, kind: str) -> None:
    with installed(Settings(faults=(Fault(kind=kind, name="*bad*"),))):
        plans = {name: build_plan(find_tensorrt(), network, name=name) for name in ("bad one", "good one")}
    right = reference_infer(np.zeros((*SHAPE, 3), np.uint8), sky_threshold=None)
    with installed() as rig:
        good, bad = (run_once(rig, context_of(find_tensorrt(), plans[name])) for name in ("good one", "bad one"))
    np.testing.assert_allclose(good, right, rtol=1e-4)
    if kind == "nan":
        assert np.isnan(bad).all()
    if kind == "scaled":
        np.testing.assert_allclose(bad, 1.5 * right, rtol=1e-4)
    if kind == "shuffled":
        np.testing.assert_allclose(np.sort(bad.ravel()), np.sort(right.ravel()), rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "words"), [("none", "Could not find any implementation"), ("memory", "OutOfMemory"), ("parse", "operator")]
)
def test_builds_fail_as_they_are_told_to(network: bytes, kind: str, words: str) -> None:
    with installed(Settings(faults=(Fault(kind=kind),))), pytest.raises(AssertionError, match=words):
        build_plan(find_tensorrt(), network)


def test_a_monitor_sees_every_step_and_may_stop_the_build(rig: Rig, network: bytes) -> None:
    api = find_tensorrt()
    trt = api.module
    seen: list[Any] = []

    class Monitor(trt.IProgressMonitor):
        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            seen.append((phase_name, parent_phase, num_steps))

        def step_complete(self, phase_name: str, step: int) -> bool:
            seen.append(step)
            return step < 3

        def phase_finish(self, phase_name: str) -> None:
            seen.append(phase_name)

    builder = trt.Builder(api.logger)
    definition, config = builder.create_network(api.network_flags()), builder.create_builder_config()
    assert trt.OnnxParser(definition, api.logger).parse(static(network, SHAPE))
    config.progress_monitor = Monitor()
    assert builder.build_serialized_network(definition, config) is None
    assert seen == [("Building engine", None, 20), 0, 1, 2, 3, "Building engine"]
    assert "cancelled" in api.reason()


def test_a_timing_cache_is_of_its_machine(rig: Rig, network: bytes) -> None:
    api = find_tensorrt()
    config = api.module.Builder(api.logger).create_builder_config()
    assert config.create_timing_cache(b"damaged") is None
    with pytest.raises(TypeError):
        config.set_timing_cache(None, False)
    fresh = config.create_timing_cache(b"")
    assert config.set_timing_cache(fresh, False)
    kept = bytes(config.get_timing_cache().serialize())
    assert config.set_timing_cache(config.create_timing_cache(kept), False)
    with installed(Settings(gpu=Gpu(name="another"))):
        other = find_tensorrt().module.Builder(find_tensorrt().logger).create_builder_config()
        assert not other.set_timing_cache(other.create_timing_cache(kept), False)
