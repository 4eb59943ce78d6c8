"""The network's input: which size, and that resizing and the camera's scaling speak of the same pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ImageError
from depth_anything_ros.geometry import ray_grid
from depth_anything_ros.preprocess import MAX_ASPECT, network_size, resize_to_network
from depth_anything_ros.spec import ResizeRule

SHORT = ResizeRule(kind="short_side", side=518)
LONG = ResizeRule(kind="long_side", side=518)


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        # (width, height) of the input in the official code, V1 and V2
        ((640, 480), (686, 518)),
        ((1280, 720), (924, 518)),
        ((1242, 375), (1722, 518)),
        ((640, 360), (924, 518)),
        ((640, 400), (826, 518)),
        ((424, 240), (910, 518)),
        ((320, 240), (686, 518)),
        ((480, 640), (518, 686)),
    ],
)
def test_short_side_is_the_official_rule(camera: tuple[int, int], expected: tuple[int, int]) -> None:
    assert network_size(*camera, SHORT) == expected[::-1]


@pytest.mark.parametrize(
    ("camera", "expected"),
    [((640, 480), (518, 392)), ((1280, 720), (518, 294)), ((640, 400), (518, 322)), ((720, 1280), (294, 518))],
)
def test_long_side(camera: tuple[int, int], expected: tuple[int, int]) -> None:
    assert network_size(*camera, LONG) == expected[::-1]


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        ((640, 480), (518, 686)),
        ((1280, 720), (518, 924)),
        ((1242, 375), (518, 1722)),
        ((640, 360), (294, 518)),
        ((640, 400), (322, 518)),
        ((424, 240), (294, 518)),
        ((320, 240), (392, 518)),
    ],
)
def test_closest_side_is_the_rule_of_transformers(camera: tuple[int, int], expected: tuple[int, int]) -> None:
    """Sizes that DPTImageProcessor (518, keep_aspect_ratio, ensure_multiple_of 14) gives for common cameras."""
    assert network_size(*camera, ResizeRule(kind="closest_side", side=518)) == expected


def test_fixed_is_a_square_whatever_the_camera() -> None:
    assert network_size(1280, 720, ResizeRule(kind="fixed", side=252)) == (252, 252)


@pytest.mark.parametrize("rule", [SHORT, LONG])
def test_extreme_sizes(rule: ResizeRule) -> None:
    assert network_size(1, 1, rule) == (518, 518)
    assert network_size(8000, 6000, rule) == network_size(640, 480, rule)
    for width, height in ((0, 480), (640, 0), (-1, 5)):
        with pytest.raises(ImageError, match="empty"):
            network_size(width, height, rule)
    for width, height in ((1, 13), (8000, 100)):
        with pytest.raises(ImageError, match=f"{width}x{height} is more than 12 times"):
            network_size(width, height, rule)


def test_panorama_does_not_grow_without_bound() -> None:
    assert network_size(4000, 1000, SHORT) == (518, 2072)
    assert network_size(8000, 1000, SHORT) == (14 * 18, 2072) == (252, 2072)


@given(
    width=st.integers(1, 8000),
    height=st.integers(1, 8000),
    rule=st.builds(
        lambda kind, patches, multiple: ResizeRule(kind=kind, side=patches * multiple, multiple=multiple),
        st.sampled_from(["short_side", "long_side"]),
        st.integers(1, 60),
        st.sampled_from([14, 16]),
    ),
)
def test_both_sides_are_patches_and_the_aspect_is_kept(width: int, height: int, rule: ResizeRule) -> None:
    if max(width, height) > MAX_ASPECT * min(width, height):
        with pytest.raises(ImageError):
            network_size(width, height, rule)
        return
    h, w = network_size(width, height, rule)
    assert h % rule.multiple == w % rule.multiple == 0 and min(h, w) >= rule.multiple
    scale = max(h, w) / max(height, width)
    assert abs(width * scale - w) <= rule.multiple and abs(height * scale - h) <= rule.multiple
    assert max(h, w) <= 4 * rule.side
    if rule.kind == "long_side":
        assert max(h, w) == rule.side
    elif max(width, height) <= 4 * min(width, height):
        assert min(h, w) == rule.side


@pytest.mark.parametrize("interpolation", ["cubic", "area", "cubic_or_area"])
@pytest.mark.parametrize("shape", [(1, 1), (24, 18), (240, 320), (3000, 200)])
def test_shape_type_and_constant_images(interpolation: str, shape: tuple[int, int]) -> None:
    out = resize_to_network(np.full((*shape, 3), (7, 130, 255), np.uint8), (98, 112), interpolation)
    assert out.shape == (98, 112, 3) and out.dtype == np.uint8 and out.flags.c_contiguous
    assert (out == np.uint8([7, 130, 255])).all()


@pytest.mark.parametrize(
    ("interpolation", "size_hw"), [("cubic", (98, 126)), ("cubic", (294, 392)), ("area", (98, 126))]
)
def test_resized_pixels_lie_on_the_rays_of_the_scaled_camera(interpolation: str, size_hw: tuple[int, int]) -> None:
    camera = CameraModel(320, 240, 200.0, 150.0, 150.0, 110.0)
    h, w = size_hw
    # An image whose red and green are linear in the ray's x and y: only the right half-pixel rule reproduces it.
    rays_HW3 = ray_grid(camera)
    image_HW3 = np.zeros((240, 320, 3), np.uint8)
    image_HW3[..., :2] = np.round(125.0 + 120.0 * rays_HW3[..., :2] / 0.9)
    expected_hw2 = 125.0 + 120.0 * ray_grid(camera.scaled_to(width=w, height=h))[..., :2] / 0.9
    error_hw2 = resize_to_network(image_HW3, size_hw, interpolation)[..., :2] - expected_hw2
    inner = error_hw2[4:-4, 4:-4]
    assert np.abs(inner).max() < 1.2  # two roundings to bytes, with cubic overshoot
    assert np.abs(inner.mean(axis=(0, 1))).max() < 0.03


def test_cubic_or_area_averages_whenever_it_shrinks() -> None:
    """The rule of Depth Anything 3; ``area`` waits until the image shrinks to less than half."""
    rng = np.random.default_rng(0)
    image_HW3 = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    averaged = cv2.resize(image_HW3, (56, 42), interpolation=cv2.INTER_AREA)
    assert np.array_equal(resize_to_network(image_HW3, (42, 56), "cubic_or_area"), averaged)
    assert not np.array_equal(resize_to_network(image_HW3, (42, 56), "area"), averaged)
    larger = resize_to_network(image_HW3, (84, 112), "cubic_or_area")
    assert np.array_equal(larger, resize_to_network(image_HW3, (84, 112), "cubic"))


def test_only_area_smooths_before_it_shrinks() -> None:
    fine = np.zeros((300, 300, 3), np.uint8)
    fine[(np.indices((300, 300)).sum(axis=0) % 2) == 0] = 255
    assert np.ptp(resize_to_network(fine, (98, 98), "cubic")) > 100
    assert np.ptp(resize_to_network(fine, (98, 98), "area")) < 30
    # To half or more there is nothing to average: both are the same.
    for size_hw in ((154, 154), (308, 308), (98, 196)):
        assert np.array_equal(resize_to_network(fine, size_hw, "area"), resize_to_network(fine, size_hw, "cubic"))


def test_views_are_resized_like_copies() -> None:
    padded = np.random.default_rng(0).integers(0, 256, (100, 120, 3), np.uint8)
    padded.flags.writeable = False
    view = padded[:, :110, ::-1]
    assert np.array_equal(resize_to_network(view, (70, 84)), resize_to_network(np.ascontiguousarray(view), (70, 84)))
    same_size = resize_to_network(view, (100, 110))
    assert np.array_equal(same_size, view) and same_size.flags.c_contiguous


def test_image_of_the_networks_size_is_not_copied() -> None:
    image_HW3 = np.zeros((98, 112, 3), np.uint8)
    assert resize_to_network(image_HW3, (98, 112)) is image_HW3


@pytest.mark.parametrize(
    ("image", "interpolation", "message"),
    [
        (np.zeros((10, 10), np.uint8), "cubic", r"shape \(10, 10\)"),
        (np.zeros((10, 10, 4), np.uint8), "cubic", r"shape \(10, 10, 4\)"),
        (np.zeros((10, 10, 3), np.float32), "cubic", "float32"),
        (np.zeros((0, 10, 3), np.uint8), "cubic", r"shape \(0, 10, 3\)"),
        (np.zeros((10, 10, 3), np.uint8), "nearest", "'nearest' is unknown; accepted: cubic, area"),
    ],
)
def test_bad_input_is_refused(image: np.ndarray, interpolation: str, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        resize_to_network(image, (14, 14), interpolation)
