"""Compressed images: JPEG, PNG and compressedDepth, by whatever name, whole or broken."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_anything_ros.compressed_codec import decode_compressed, decode_compressed_depth
from depth_anything_ros.errors import ImageError
from tests.image_messages import compressed_message, encode_rvl, file_bytes, jpeg_bytes, picture, png_bytes, png_chunk

RED_RGB = (220, 40, 20)
FORMATS = [
    *("", "jpeg", "jpg", "png", "x;y"),
    *("rgb8; jpeg compressed bgr8", "bgr8; png compressed bgr8", "rgb8; jpeg compressed rgb8"),
]


def png(pixels: np.ndarray) -> bytes:
    return file_bytes(".png", pixels)


@pytest.mark.parametrize("image_format", FORMATS)
def test_colours_come_from_the_file_whatever_the_format_says(image_format):
    expected = picture()
    lossless = decode_compressed(compressed_message(png(expected[..., ::-1]), image_format))
    np.testing.assert_array_equal(lossless, expected)
    lossy = decode_compressed(compressed_message(jpeg_bytes(expected), image_format))
    assert lossy.dtype == np.uint8 and lossy.flags.c_contiguous
    assert np.abs(lossy.astype(int) - expected).max() <= 8


@pytest.mark.parametrize("container", [bytes, bytearray, memoryview, list, lambda data: np.frombuffer(data, np.uint8)])
def test_any_container(container):
    data = png(picture()[..., ::-1])
    np.testing.assert_array_equal(decode_compressed(compressed_message(container(data))), picture())


@pytest.mark.parametrize("parameters", [(cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)])
def test_other_kinds_of_jpeg(parameters):
    decoded = decode_compressed(compressed_message(jpeg_bytes(picture(), *parameters), "jpeg"))
    assert np.abs(decoded.astype(int) - picture()).max() <= 8


def test_bytes_after_the_jpeg_do_not_matter():
    data = jpeg_bytes(picture())
    plain = decode_compressed(compressed_message(data))
    np.testing.assert_array_equal(decode_compressed(compressed_message(data + bytes(100))), plain)


def test_orientation_tags_are_ignored():
    # An EXIF block whose single entry, tag 0x0112, asks for a quarter turn.
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    data = jpeg_bytes(picture())
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (24, 16, 3)
    np.testing.assert_array_equal(
        decode_compressed(compressed_message(turned)), decode_compressed(compressed_message(data))
    )


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_grey_files(extension):
    grey = np.full((8, 8), 77, np.uint8)
    decoded = decode_compressed(compressed_message(file_bytes(extension, grey), "mono8; jpeg compressed "))
    assert decoded.shape == (8, 8, 3) and (decoded == 77).all()


def test_png_kinds():
    bgra16 = np.tile(np.array([20, 40, 220, 9], np.uint16) * 257, (4, 4, 1))
    for pixels in (bgra16, bgra16[..., :3], (bgra16 // 257).astype(np.uint8)):
        assert (decode_compressed(compressed_message(png(pixels))) == RED_RGB).all()
    grey16 = np.array([[0, 257, 65535, 128]], np.uint16)
    np.testing.assert_array_equal(decode_compressed(compressed_message(png(grey16)))[..., 2], [[0, 1, 255, 0]])
    # Palette of one colour; grey with alpha; one bit a pixel: all written by hand.
    palette = png_bytes(2, 1, 8, 3, bytes([0, 0, 0]), png_chunk(b"PLTE", bytes(RED_RGB)))
    assert (decode_compressed(compressed_message(palette)) == RED_RGB).all()
    grey_alpha = png_bytes(2, 1, 8, 4, bytes([0, 50, 255, 60, 0]))
    assert decode_compressed(compressed_message(grey_alpha)).tolist() == [[[50] * 3, [60] * 3]]
    bits = png_bytes(8, 1, 1, 0, bytes([0, 0b10000001]))
    assert decode_compressed(compressed_message(bits))[0, :, 0].tolist() == [255, 0, 0, 0, 0, 0, 0, 255]


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_declared_mosaic_becomes_colour(pattern):
    corner = np.array([dict(zip("rgb", RED_RGB, strict=True))[letter] for letter in pattern], np.uint8).reshape(2, 2)
    mosaic = np.tile(corner, (3, 4))
    decoded = decode_compressed(compressed_message(png(mosaic), f"bayer_{pattern}8; png compressed "))
    assert (decoded == RED_RGB).all()
    wide = decode_compressed(compressed_message(png(mosaic * np.uint16(257)), f"bayer_{pattern}16; png compressed "))
    assert (wide == RED_RGB).all()
    colour = decode_compressed(compressed_message(png(picture()[..., ::-1]), f"bayer_{pattern}8; png compressed bgr8"))
    np.testing.assert_array_equal(colour, picture())


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, 10**6), value=st.integers(0, 255), count=st.integers(1, 30))
def test_a_damaged_jpeg_is_a_picture_of_its_size_or_one_line(position, value, count):
    damaged = bytearray(jpeg_bytes(picture()))
    position %= len(damaged)
    damaged[position : position + count] = bytes([value]) * min(count, len(damaged) - position)
    try:
        decoded = decode_compressed(compressed_message(damaged, "jpeg"))
    except ImageError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert decoded.ndim == 3 and decoded.shape[2] == 3 and decoded.dtype == np.uint8


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]), st.binary(max_size=60), st.sampled_from(FORMATS))
def test_garbage_is_one_line(start, rest, image_format):
    for function in (decode_compressed, decode_compressed_depth):
        with pytest.raises(ImageError) as caught:
            function(compressed_message(start + rest, image_format))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png_bytes(50_000, 50_000, 8, 2, b""), "PNG size 50000 x 50000 is over the limit of 100 megapixels"),
        (png_bytes(4, 4, 8, 2, b""), "png of 4 x 4 cannot be decoded"),
        (png_bytes(4, 4, 7, 2, bytes(52)), "png of 4 x 4 cannot be decoded"),
        (jpeg_bytes(picture())[:-2], "JPEG is truncated after .* bytes: no end marker"),
        (b"", "compressed data is empty"),
    ],
)
def test_broken_files_are_refused(data, message):
    with pytest.raises(ImageError, match=message) as caught:
        decode_compressed(compressed_message(data, "png"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "image_format", ["16UC1; compressedDepth", "32FC1; compressedDepth rvl", "16UC1; png compressed "]
)
def test_depth_is_no_picture(image_format):
    with pytest.raises(ImageError, match="holds depth; a JPEG or PNG picture is needed"):
        decode_compressed(compressed_message(png(np.ones((4, 4), np.uint16)), image_format))


@pytest.mark.parametrize("image_format", [None, b"jpeg", 3])
def test_format_that_is_no_text(image_format):
    for function in (decode_compressed, decode_compressed_depth):
        with pytest.raises(ImageError, match="text is needed"):
            function(compressed_message(jpeg_bytes(picture()), image_format))


def compressed_depth(counts: np.ndarray, encoding: str, kind: str, a: float = 0, b: float = 0):
    """A compressedDepth message of those counts; kind "", "png" or "rvl"."""
    body = png(counts)
    if kind == "rvl":
        body = struct.pack("<II", counts.shape[1], counts.shape[0]) + encode_rvl(counts)
    return compressed_message(struct.pack("<iff", 1, a, b) + body, f"{encoding}; compressedDepth {kind}".rstrip())


@pytest.mark.parametrize("kind", ["", "png", "rvl"])
@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
def test_compressed_depth_in_millimetres(encoding, kind):
    counts = np.array([[0, 1, 1500], [65535, 0, 0]], np.uint16)
    depth = decode_compressed_depth(compressed_depth(counts, encoding, kind))
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, np.float32([[np.nan, 0.001, 1.5], [65.535, np.nan, np.nan]]))


@pytest.mark.parametrize("kind", ["", "png", "rvl"])
def test_compressed_depth_in_metres(kind):
    # The publisher's own rule, quantisation 100 and 10 m at most: v = A / depth + B, cut; half a step of v to and fro.
    a, b = 100.0 * 101.0, 1 - 100.0 * 101.0 / 10
    truth = np.array([[0.5, 1.0, 2.0], [4.0, 9.9, 0.2]])
    counts = (a / truth + b).astype(np.uint16)
    counts[0, 0] = 0
    depth = decode_compressed_depth(compressed_depth(counts, "32FC1", kind, a, b))
    assert np.isnan(depth[0, 0])
    assert (np.abs(1 / depth - 1 / truth).ravel()[1:] <= 1.001 / a).all()
    # By hand: v = 9091 is 10100 / (9091 + 1009) = 1 m.
    exact = decode_compressed_depth(compressed_depth(np.array([[9091]], np.uint16), "32FC1", kind, a, b))
    assert exact.tolist() == [[1.0]]


def test_a_count_at_the_offset_is_infinitely_far_and_below_it_no_depth():
    counts = np.array([[0, 1, 5, 6, 7]], np.uint16)
    depth = decode_compressed_depth(compressed_depth(counts, "32FC1", "png", 4.0, 5.0))
    np.testing.assert_array_equal(depth, np.float32([[np.nan, np.nan, np.inf, 4, 2]]))


def test_depth_in_a_plain_png():
    msg = compressed_message(png(np.array([[0, 2000]], np.uint16)), "16UC1; png compressed ")
    np.testing.assert_array_equal(decode_compressed_depth(msg), np.float32([[np.nan, 2]]))


@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        (0, 4, "RVL image size 0 x 4 has no area"),
        (2**32 - 1, 2**32 - 1, "RVL image size .* over the limit"),
        (4, 4, "RVL data is truncated: it ends at pixel 4 of 16"),
    ],
)
def test_wrong_rvl_sizes_are_refused(width, height, message):
    data = bytes(12) + struct.pack("<II", width, height) + encode_rvl(np.array([0, 5, 6, 0]))
    with pytest.raises(ImageError, match=message):
        decode_compressed_depth(compressed_message(data, "16UC1; compressedDepth rvl"))


@pytest.mark.parametrize(
    ("msg", "message"),
    [
        (compressed_message(png(picture()), "jpeg"), "format 'jpeg' names no depth encoding; accepted: '<encoding>;"),
        (compressed_message(b"", ""), "names no depth encoding"),
        (compressed_message(b"", "; compressedDepth"), "names no depth encoding"),
        (compressed_message(b"", "8UC1; compressedDepth"), "accepted: .* 32FC1, 16UC1, mono16"),
        (compressed_message(b"", "32FC1; png compressed"), "32FC1 needs compressedDepth"),
        (compressed_message(bytes(12), "16UC1; compressedDepth"), "data has 12 bytes; more than 12 are needed"),
        (compressed_message(bytes(20), "16UC1; compressedDepth png"), "starts with 00 00 00 00"),
        (compressed_message(bytes(15), "16UC1; compressedDepth rvl"), "RVL data has 3 bytes; 8 bytes of size"),
        (compressed_message(bytes(12) + png(picture()), "16UC1; compressedDepth"), "depth file holds uint8 of shape"),
        (compressed_message(bytes(12) + jpeg_bytes(picture()), "16UC1; compressedDepth"), "depth file holds uint8"),
        (compressed_depth(np.ones((2, 2), np.uint16), "32FC1", "png", 0, 0), "A=0.0, B=0.0: A > 0"),
        (compressed_depth(np.ones((2, 2), np.uint16), "32FC1", "png", np.nan, 0), "A=nan"),
        (compressed_depth(np.ones((2, 2), np.uint16), "32FC1", "png", 1, np.inf), "B=inf"),
        (compressed_depth(np.ones((2, 2), np.uint16), "32FC1", "rvl", -1, 0), "A=-1.0"),
    ],
)
def test_wrong_depth_messages_are_refused(msg, message):
    with pytest.raises(ImageError, match=message) as caught:
        decode_compressed_depth(msg)
    assert "\n" not in str(caught.value)
