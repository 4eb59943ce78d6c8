"""What both runtimes share, with a runtime made by the test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_anything_ros.engine import EngineInfo
from depth_anything_ros.engines.network_engine import MAX_SHAPES, CompiledShape, NetworkEngine, one_line
from depth_anything_ros.errors import EngineError
from tests.tiny_networks import make_spec

INFO = EngineInfo("fake", "fp32", "CPU", "asked for", "1")


class FakeRuntime:
    """Compiles to a function that returns fixed outputs; counts what it compiled."""

    def __init__(self, depth: Any = None, sky: Any = None) -> None:
        self.depth, self.sky = depth, sky
        self.shapes: list[tuple[int, int, int]] = []

    def __call__(self, shape: tuple[int, int, int]) -> CompiledShape:
        self.shapes.append(shape)

        def run(images_nhw3: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
            assert images_nhw3.flags.c_contiguous
            depth = np.ones(shape, np.float32) if self.depth is None else self.depth
            return depth, self.sky

        return run


def images(h: int = 14, w: int = 28, n: int = 1) -> NDArray[np.uint8]:
    return np.zeros((n, h, w, 3), np.uint8)


def test_a_shape_is_compiled_once() -> None:
    runtime = FakeRuntime()
    engine = NetworkEngine(make_spec(), INFO, runtime)
    for _ in range(3):
        engine.infer(images())
        engine.infer(images(n=2))
    assert runtime.shapes == [(1, 14, 28), (2, 14, 28)]


def test_the_shape_used_longest_ago_goes_first() -> None:
    runtime = FakeRuntime()
    engine = NetworkEngine(make_spec(), INFO, runtime)
    for w in range(14, 14 * (MAX_SHAPES + 1), 14):
        engine.infer(images(w=w))
    engine.infer(images(w=14))  # now the newest
    engine.infer(images(w=14 * (MAX_SHAPES + 1)))  # one too many: the second goes
    runtime.shapes.clear()
    engine.infer(images(w=14))
    assert runtime.shapes == []
    engine.infer(images(w=28))
    assert runtime.shapes == [(1, 14, 28)]


def test_many_cameras_do_not_compile_for_ever() -> None:
    """Six cameras send now three images at a time, now five."""
    runtime = FakeRuntime()
    engine = NetworkEngine(make_spec(max_batch=8), INFO, runtime)
    for n in (6, 5, 4, 3, 2, 1):
        assert engine.infer(np.zeros((n, 14, 28, 3), np.uint8)).shape == (n, 14, 28)
    compiled = len(runtime.shapes)
    assert compiled <= MAX_SHAPES + 1
    for n in (1, 6, 2, 5, 3, 4) * 3:
        assert engine.infer(np.zeros((n, 14, 28, 3), np.uint8)).shape == (n, 14, 28)
    assert len(runtime.shapes) == compiled


def test_views_are_made_contiguous() -> None:
    mirrored = images(w=28)[:, :, ::-1]
    assert NetworkEngine(make_spec(), INFO, FakeRuntime()).infer(mirrored).shape == (1, 14, 28)


def test_sky_becomes_infinite() -> None:
    sky = np.zeros((1, 14, 28), np.float32)
    sky[0, :7] = 0.9
    depth = NetworkEngine(make_spec(), INFO, FakeRuntime(sky=sky)).infer(images())
    assert np.isposinf(depth[0, :7]).all() and (depth[0, 7:] == 1.0).all()


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"depth": np.full((1, 14, 28), np.nan, np.float32)}, "NaN in depth"),
        ({"sky": np.full((1, 14, 28), np.nan, np.float32)}, "NaN in sky"),
        ({"depth": np.ones((1, 28, 28), np.float32)}, r"\(1, 28, 28\)"),
        ({"depth": np.ones((1, 14, 28), np.float64)}, "float64"),
        ({"sky": np.ones((1, 1, 14, 28), np.float32)}, r"sky as float32 \(1, 1, 14, 28\)"),
    ],
)
def test_outputs_that_break_the_promise_are_refused(outputs: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        NetworkEngine(make_spec(), INFO, FakeRuntime(**outputs)).infer(images())


def test_one_nan_among_many_is_found() -> None:
    depth = np.ones((1, 14, 28), np.float32)
    depth[0, 5, 5] = np.nan
    with pytest.raises(EngineError, match="NaN"):
        NetworkEngine(make_spec(), INFO, FakeRuntime(depth=depth)).infer(images())


def test_wrong_input_is_refused_before_anything_is_compiled() -> None:
    runtime = FakeRuntime()
    with pytest.raises(EngineError, match="multiples of 14"):
        NetworkEngine(make_spec(), INFO, runtime).infer(images(w=30))
    assert runtime.shapes == []


def test_a_failing_runtime_is_one_line() -> None:
    def compile_shape(shape: tuple[int, int, int]) -> CompiledShape:
        def run(images_nhw3: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None]:
            raise RuntimeError("Exception from a.cpp:1:\nout of memory\nmore")

        return run

    with pytest.raises(EngineError) as caught:
        NetworkEngine(make_spec(), INFO, compile_shape).infer(images())
    assert str(caught.value) == "tiny on fake failed at 1x14x28: out of memory"


def test_closed_engine_says_so() -> None:
    with NetworkEngine(make_spec(), INFO, FakeRuntime()) as engine:
        engine.infer(images())
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer(images())


def test_one_line_of_an_empty_message_is_the_type() -> None:
    assert one_line(RuntimeError("")) == "RuntimeError"
    assert one_line(RuntimeError("Exception from only.cpp:3:")) == "Exception from only.cpp:3:"
