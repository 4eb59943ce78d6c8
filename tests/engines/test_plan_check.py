"""The check of a plan: its reference at any size, and every way in which depth can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_anything_ros.engines.plan_check import CheckFailed, check_plan, reference_sample
from depth_anything_ros.errors import EngineError, SpecError
from depth_anything_ros.golden import GoldenError, GoldenSample
from depth_anything_ros.preprocess import resize_to_network
from depth_anything_ros.spec import load_spec, spec_path_of
from tests.tiny_networks import make_spec, reference_infer, write_network

pytest.importorskip("onnx", reason="the networks of these tests are built with onnx (extra test)")

Arrays = tuple[NDArray[np.float32], "NDArray[np.float32] | None"]


def sample_of(seed: int = 3) -> GoldenSample:
    image_hw3 = np.random.default_rng(seed).integers(0, 256, (28, 42, 3), dtype=np.uint8)
    return GoldenSample(image_hw3, reference_infer(image_hw3[None])[0], 1e-4)


def run_right(images_nhw3: NDArray[np.uint8]) -> Arrays:
    """What a right plan gives: depth, and blue as the sky's score."""
    depth = reference_infer(images_nhw3, sky_threshold=None)
    return depth, images_nhw3[..., 2].astype(np.float32) / 255.0


def check(run: Callable[[NDArray[np.uint8]], Arrays], precision: str = "fp16", max_batch: int = 3) -> GoldenError:
    return check_plan(run, sample_of(), make_spec(max_batch=max_batch), precision=precision, label="the plan")


def test_the_sample_of_the_spec_is_taken_at_its_own_size(tmp_path: Path) -> None:
    path = write_network(tmp_path)
    sample = reference_sample(path, load_spec(spec_path_of(path)), (28, 42), tmp_path)
    np.testing.assert_array_equal(sample.depth_hw, sample_of().depth_hw)
    assert not list(tmp_path.glob("reference-*"))


def test_at_another_size_it_is_computed_once_in_fp32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_network(tmp_path)
    spec = load_spec(spec_path_of(path))
    sample = reference_sample(path, spec, (56, 70), tmp_path)
    image_hw3 = resize_to_network(sample_of().image_hw3, (56, 70))
    np.testing.assert_array_equal(sample.image_hw3, image_hw3)
    np.testing.assert_allclose(sample.depth_hw, reference_infer(image_hw3[None])[0], rtol=2e-3)
    path.unlink()  # what is kept needs no network
    again = reference_sample(path, spec, (56, 70), tmp_path)
    np.testing.assert_array_equal(again.depth_hw, sample.depth_hw)


def test_a_damaged_reference_is_computed_anew(tmp_path: Path) -> None:
    path = write_network(tmp_path)
    spec = load_spec(spec_path_of(path))
    sample = reference_sample(path, spec, (56, 70), tmp_path)
    kept = next(tmp_path.glob("reference-*.npz"))
    kept.write_bytes(kept.read_bytes()[:100])
    np.testing.assert_array_equal(reference_sample(path, spec, (56, 70), tmp_path).depth_hw, sample.depth_hw)


def test_a_network_without_sample_is_checked_on_a_drawn_picture(tmp_path: Path) -> None:
    path = write_network(tmp_path, with_golden=False)
    sample = reference_sample(path, load_spec(spec_path_of(path)), (28, 42), tmp_path)
    assert sample.image_hw3.shape == (28, 42, 3) and sample.image_hw3.std() > 20.0
    finite = np.isfinite(sample.depth_hw)
    assert finite.any() and sample.depth_hw[finite].std() > 0.0


def test_another_sample_than_the_specs_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path)
    (tmp_path / "tiny.golden.npz").write_bytes(b"other")
    with pytest.raises(SpecError, match="SHA-256"):
        reference_sample(path, load_spec(spec_path_of(path)), (56, 70), tmp_path)


def test_a_right_plan_passes_in_every_batch() -> None:
    sizes = []

    def run(images_nhw3: NDArray[np.uint8]) -> Arrays:
        sizes.append(len(images_nhw3))
        return run_right(images_nhw3)

    assert check(run).abs_rel < 1e-6 and sizes == [1, 2, 3]


def wrong(change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Callable[[NDArray[np.uint8]], Arrays]:
    def run(images_nhw3: NDArray[np.uint8]) -> Arrays:
        depth, sky = run_right(images_nhw3)
        return change(depth), sky

    return run


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda depth: depth * np.float32(1.5), "abs_rel 0.5"),
        (lambda depth: depth[:, ::-1], "cosine"),
        (lambda depth: np.full_like(depth, depth.mean()), "cosine"),
        (lambda depth: np.full_like(depth, np.nan), "NaN"),
        (lambda depth: np.where(np.arange(42) == 5, np.float32(np.nan), depth), "NaN"),
        (lambda depth: np.full_like(depth, np.inf), "sky"),
    ],
)
def test_wrong_depth_is_found(change: Callable[[NDArray[np.float32]], NDArray[np.float32]], words: str) -> None:
    with pytest.raises(CheckFailed, match=words):
        check(wrong(change))


def test_a_wrong_sky_is_found() -> None:
    def run(images_nhw3: NDArray[np.uint8]) -> Arrays:
        return run_right(images_nhw3)[0], np.zeros(images_nhw3.shape[:3], np.float32)

    with pytest.raises(CheckFailed, match="sky"):
        check(run)


def test_what_is_wrong_in_a_batch_alone_is_found() -> None:
    def mixed_up(images_nhw3: NDArray[np.uint8]) -> Arrays:
        depth, sky = run_right(images_nhw3)
        return np.roll(depth, 1, axis=0), sky

    with pytest.raises(CheckFailed, match="2 at once"):
        check(mixed_up)
    assert check(mixed_up, max_batch=1).abs_rel < 1e-6


def test_rounding_is_judged_by_the_precision() -> None:
    half_percent = wrong(lambda depth: depth * np.float32(1.005))
    assert check(half_percent, "fp16").abs_rel == pytest.approx(0.005, rel=1e-2)
    with pytest.raises(CheckFailed) as caught:
        check(half_percent, "fp32")
    assert caught.value.golden is not None and caught.value.golden.abs_rel == pytest.approx(0.005, rel=1e-2)


def test_a_failing_runtime_is_no_wrong_answer() -> None:
    def run(images_nhw3: NDArray[np.uint8]) -> Arrays:
        raise EngineError("the device was lost")

    with pytest.raises(EngineError, match="the device was lost") as caught:
        check(run)
    assert not isinstance(caught.value, CheckFailed)
