"""Message classes behave as rclpy's, and their bytes are those that rosbags makes of the same values."""

from __future__ import annotations

import array
import copy
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cyclonedds", reason="the embedded runtime needs cyclonedds")

from rosbags.typesys import Stores, get_typestore

from depth_anything_ros.embedded.messages import MessageError, deserialize, message, serialize, service
from depth_anything_ros.errors import ConfigError

STORE = get_typestore(Stores.ROS2_JAZZY)
Image = message("sensor_msgs/msg/Image")
CameraInfo = message("sensor_msgs/msg/CameraInfo")
DiagnosticStatus = message("diagnostic_msgs/msg/DiagnosticStatus")
PointField = message("sensor_msgs/msg/PointField")


def test_defaults_are_nested_and_empty() -> None:
    info = CameraInfo()
    assert (info.header.stamp.sec, info.header.frame_id, info.roi.do_rectify) == (0, "", False)
    assert info.k.shape == (9,) and info.k.dtype == np.float64 and not info.k.any()
    assert info.d.size == 0
    assert Image().data.dtype == np.uint8
    assert CameraInfo().header is not info.header
    assert CameraInfo().k is not info.k


def test_constants_and_the_type_name_are_on_the_class() -> None:
    assert PointField.FLOAT32 == 7
    assert DiagnosticStatus.WARN == b"\x01"
    assert message("rcl_interfaces/msg/Log").INFO == 20
    assert Image.__msgtype__ == Image().__msgtype__ == "sensor_msgs/msg/Image"


def test_wrong_names_are_refused() -> None:
    with pytest.raises(TypeError, match="sensor_msgs/msg/Image has no field 'widht'; it has header, height, width"):
        Image(widht=1)
    with pytest.raises(AttributeError):
        Image().widht = 1
    with pytest.raises(ConfigError, match="'sensor_msgs/msg/Nothing' is unknown"):
        message("sensor_msgs/msg/Nothing")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda raw: array.array("B", raw), np.array])
def test_bytes_are_taken_without_a_copy(kind: Any) -> None:
    raw = bytes(range(200))
    given = np.frombuffer(raw, np.uint8).reshape(10, 20) if kind is np.array else kind(raw)
    image = Image(data=given)
    assert bytes(image.data) == raw
    assert np.shares_memory(image.data, np.frombuffer(given, np.uint8))


def test_what_is_no_bytes_is_converted_or_refused() -> None:
    assert Image(data=[1, 2, 255]).data.tolist() == [1, 2, 255]
    assert Image(data=[]).data.size == Image(data=b"").data.size == 0
    for bad, reason in (
        ([1, 256], "outside 0..255"),
        ([-1], "outside 0..255"),
        (np.zeros(3, np.float32), "float32 values; uint8 is needed"),
        (["a"], "uint8 is needed"),
        (3, "is 3; a sequence of uint8 is needed"),
        ([[1], [2, 3]], "cannot be an array of uint8"),
    ):
        with pytest.raises(MessageError, match=reason) as caught:
            Image(data=bad)
        assert str(caught.value).startswith("sensor_msgs/msg/Image.data")


def test_fixed_arrays_have_their_length() -> None:
    for nine in ([*range(9)], tuple(range(9)), np.eye(3), np.arange(9, dtype=np.float32)):
        assert CameraInfo(k=nine).k.dtype == np.float64
        assert CameraInfo(k=nine).k.sum() in (36.0, 3.0)
    with pytest.raises(MessageError, match=r"CameraInfo.k has 8 values; 9 are needed"):
        CameraInfo(k=[0.0] * 8)


def test_a_byte_is_bytes_of_length_one() -> None:
    status = DiagnosticStatus(level=DiagnosticStatus.ERROR)
    assert status.level == b"\x02"
    assert deserialize(serialize(status), "diagnostic_msgs/msg/DiagnosticStatus").level == b"\x02"
    status.level = b"\xff"
    assert deserialize(serialize(status), "diagnostic_msgs/msg/DiagnosticStatus").level == b"\xff"
    for bad in (2, b"", b"ab", "a"):
        with pytest.raises(MessageError, match=r"level is .*; bytes of length 1 are needed"):
            status.level = bad


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"height": -1}, r"Image.height is -1; uint32 holds 0..4294967295"),
        ({"height": 2**32}, r"Image.height is 4294967296; uint32 holds"),
        ({"width": 1.5}, r"Image.width is 1.5; uint32 is needed"),
        ({"encoding": b"rgb8"}, r"Image.encoding is b'rgb8'; a str is needed"),
        ({"header": None}, r"Image.header is a NoneType; a std_msgs/msg/Header is needed"),
        ({"header": PointField()}, r"Image.header is a PointField; a std_msgs/msg/Header is needed"),
    ],
)
def test_a_wrong_value_is_named_when_written(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(MessageError, match=reason) as caught:
        serialize(Image(**change))
    assert "\n" not in str(caught.value)


def test_a_wrong_value_deep_inside_is_named() -> None:
    cloud = message("sensor_msgs/msg/PointCloud2")(fields=[PointField(name="x"), PointField(name=3)])
    with pytest.raises(MessageError, match=r"PointCloud2.fields\[1\].name is 3; a str is needed"):
        serialize(cloud)
    with pytest.raises(MessageError, match="fields is 'xyz'; a list is needed"):
        cloud.fields = "xyz"


def test_numpy_scalars_are_numbers() -> None:
    image = Image(height=np.int64(3), is_bigendian=False)
    assert deserialize(serialize(image), "sensor_msgs/msg/Image").height == 3


def test_large_arrays_come_back_as_views_of_the_bytes() -> None:
    data = bytes(serialize(Image(data=np.arange(100, dtype=np.uint8), encoding="mono8")))
    image = deserialize(data, "sensor_msgs/msg/Image")
    assert np.shares_memory(image.data, np.frombuffer(data, np.uint8))
    assert image.data.tolist() == list(range(100))
    assert not image.data.flags.writeable


@pytest.mark.parametrize("data", [b"", b"\0\1\0\0", b"\0\1\0\0" + b"\xff" * 40, b"\0\7\0\0" + bytes(60)])
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        deserialize(data, "sensor_msgs/msg/Image")


def test_messages_compare_print_and_copy() -> None:
    image = Image(data=[1, 2], encoding="mono8")
    assert image == Image(data=[1, 2], encoding="mono8")
    assert image != Image(data=[1, 3], encoding="mono8")
    assert image != PointField()
    assert "encoding='mono8'" in repr(image)
    twin = copy.deepcopy(image)
    twin.header.frame_id = "other"
    assert image.header.frame_id == "" and twin.encoding == "mono8"
    with pytest.raises(TypeError, match="unhashable"):
        hash(image)


def test_fields_are_described_in_rclpys_words() -> None:
    assert CameraInfo.get_fields_and_field_types() == {
        "header": "std_msgs/Header",
        "height": "uint32",
        "width": "uint32",
        "distortion_model": "string",
        "d": "sequence<double>",
        "k": "double[9]",
        "r": "double[9]",
        "p": "double[12]",
        "binning_x": "uint32",
        "binning_y": "uint32",
        "roi": "sensor_msgs/RegionOfInterest",
    }
    assert DiagnosticStatus.get_fields_and_field_types()["level"] == "octet"


def test_services_have_two_classes() -> None:
    request, response = service("lifecycle_msgs/srv/ChangeState")
    assert request().transition.id == 0
    assert response(success=True).success is True
    with pytest.raises(ConfigError, match="std_srvs/srv/Empty_Request"):
        service("std_srvs/srv/Empty")


def rosbags_message(msg: Any) -> Any:
    """The same values in the class that rosbags itself has for the type."""
    if isinstance(msg, list):
        return [rosbags_message(item) for item in msg]
    if not hasattr(msg, "__msgtype__"):
        return msg
    values = {name: rosbags_message(getattr(msg, f"_{name}")) for name in msg.get_fields_and_field_types()}
    return STORE.types[msg.__msgtype__](**values)


def filled(name: str) -> Any:
    """A message of the type with something in every field that has no other message in it."""
    rng = np.random.default_rng(0)
    msg = message(name)()
    for field, kind in msg.get_fields_and_field_types().items():
        value = getattr(msg, field)
        if isinstance(value, np.ndarray):
            count = value.size or 5
            setattr(msg, field, rng.integers(0, 2, count).astype(value.dtype))
        elif isinstance(value, list) and "/" in kind:
            inner = kind.removeprefix("sequence<").removesuffix(">").replace("/", "/msg/")
            setattr(msg, field, [filled(inner), filled(inner)])
        elif isinstance(value, str):
            setattr(msg, field, f"ü {field}")
        elif type(value) in (int, float):
            setattr(msg, field, 1)
        elif hasattr(value, "__msgtype__"):
            setattr(msg, field, filled(value.__msgtype__))
    return msg


@pytest.mark.parametrize(
    "name",
    [
        "sensor_msgs/msg/Image",
        "sensor_msgs/msg/CompressedImage",
        "sensor_msgs/msg/CameraInfo",
        "sensor_msgs/msg/PointCloud2",
        "sensor_msgs/msg/Imu",
        "diagnostic_msgs/msg/DiagnosticArray",
        "geometry_msgs/msg/TransformStamped",
        "tf2_msgs/msg/TFMessage",
        "std_msgs/msg/String",
    ],
)
def test_bytes_are_those_of_rosbags(name: str) -> None:
    msg = filled(name)
    expected = bytes(STORE.serialize_cdr(rosbags_message(msg), name))
    ours = bytes(serialize(msg))
    assert ours == expected.ljust(-(-len(expected) // 4) * 4, b"\0")
    assert deserialize(ours, name) == msg


def test_every_type_of_jazzy_goes_there_and_back() -> None:
    for name in STORE.fielddefs:
        msg = message(name)()
        assert deserialize(serialize(msg), name) == msg, name
