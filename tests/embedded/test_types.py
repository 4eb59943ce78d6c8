"""Types on the wire: names, hashes of real ROS 2, and IDL classes that describe the same bytes as rosbags."""

from __future__ import annotations

import pytest

pytest.importorskip("cyclonedds", reason="the embedded runtime needs cyclonedds")

from rosbags.typesys import Stores, get_typestore

from depth_anything_ros.embedded import types
from depth_anything_ros.embedded.messages import message, serialize
from depth_anything_ros.errors import ConfigError

# Printed by ROS 2 Jazzy itself (share/<package>/{msg,srv}/*.json of an installation).
JAZZY_HASHES = {
    "sensor_msgs/msg/Image": "RIHS01_d31d41a9a4c4bc8eae9be757b0beed306564f7526c88ea6a4588fb9582527d47",
    "sensor_msgs/msg/PointCloud2": "RIHS01_9198cabf7da3796ae6fe19c4cb3bdd3525492988c70522628af5daa124bae2b5",
    "sensor_msgs/msg/CameraInfo": "RIHS01_b3dfd68ff46c9d56c80fd3bd4ed22c7a4ddce8c8348f2f59c299e73118e7e275",
    "diagnostic_msgs/msg/DiagnosticArray": "RIHS01_5a8a36efb05fb25070fa0fb3810290c0e6cd4862b54a8fb975a1ee8dc55a333e",
    "rmw_dds_common/msg/ParticipantEntitiesInfo": (
        "RIHS01_91a0593bacdcc50ea9bdcf849a938b128412cc1ea821245c663bcd26f83c295e"
    ),
    "std_msgs/msg/Char": "RIHS01_3ad2d04dd29ba19d04b16659afa3ccaedd691914b02a64e82e252f2fa6a586a9",
    "rcl_interfaces/msg/Log": "RIHS01_e28ce254ca8abc06abf92773b74602cdbf116ed34fbaf294fb9f81da9f318eac",
    "tf2_msgs/msg/TFMessage": "RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087",
    "rcl_interfaces/srv/SetParameters_Request": (
        "RIHS01_130d46386b7e84ea9ecf60608a4d83cbe5e5cb7c6cc5b712b7a4e3a6c254e932"
    ),
    "rcl_interfaces/srv/ListParameters_Response": (
        "RIHS01_31b937b82de3612426be79f231e386259f97e8dc843e3f2845288b4bfa296bdd"
    ),
    "lifecycle_msgs/srv/GetState_Request": "RIHS01_77a9c844e7975f15bc2221e8bbebafc4d118afb78c7f7071eef91f83f940f2f6",
    "lifecycle_msgs/srv/ChangeState_Request": "RIHS01_d74c6f524e14cade7b67e7297190360ed749264af300524fc1456f27cc2a553a",
    "lifecycle_msgs/srv/GetAvailableTransitions_Response": (
        "RIHS01_4711339461aadf02bcfff797a198de911f885074bd3f2fe9f7b677ef87f0741c"
    ),
}


@pytest.mark.parametrize("name", JAZZY_HASHES)
def test_hashes_are_those_of_ros(name: str) -> None:
    assert types.type_hash(name) == JAZZY_HASHES[name]


def test_names_on_the_wire() -> None:
    assert types.dds_type_name("sensor_msgs/msg/Image") == "sensor_msgs::msg::dds_::Image_"
    assert types.ros_type_name("sensor_msgs::msg::dds_::Image_") == "sensor_msgs/msg/Image"
    assert types.dds_type_name("a/srv/B_Request") == "a::srv::dds_::B_Request_"
    assert types.ros_type_name("SomethingElse") == "SomethingElse"


def test_an_unknown_type_is_refused_with_its_name() -> None:
    with pytest.raises(ConfigError, match="'sensor_msgs/msg/Imag' is unknown"):
        types.type_hash("sensor_msgs/msg/Imag")
    with pytest.raises(ConfigError, match="'Image' is unknown"):
        types.idl_type("Image")


@pytest.mark.parametrize(
    "name",
    [
        "sensor_msgs/msg/CameraInfo",
        "sensor_msgs/msg/PointCloud2",
        "diagnostic_msgs/msg/DiagnosticArray",
        "rcl_interfaces/srv/DescribeParameters_Response",
        "lifecycle_msgs/srv/GetState_Request",
        "rmw_dds_common/msg/ParticipantEntitiesInfo",
    ],
)
def test_cyclone_reads_what_the_codec_writes(name: str) -> None:
    data = bytes(serialize(message(name)()))
    described = types.idl_type(name).deserialize(data)
    again = described.serialize(use_version_2=False)
    assert again.ljust(len(data), b"\0") == data


def test_a_service_header_is_sixteen_bytes_before_the_fields() -> None:
    plain, headed = (types.idl_type("lifecycle_msgs/srv/ChangeState_Response", flag) for flag in (False, True))
    request = headed(client_guid=1, sequence_number=2, success=True).serialize(use_version_2=False)
    assert request[4:20] == (1).to_bytes(8, "little") + (2).to_bytes(8, "little")
    assert request[20:] == plain(success=True).serialize(use_version_2=False)[4:]


def test_every_message_of_jazzy_has_an_idl_class() -> None:
    names = get_typestore(Stores.ROS2_JAZZY).fielddefs
    assert len(names) > 150
    for name in names:
        assert types.idl_type(name).__idl_typename__.replace(".", "::") == types.dds_type_name(name)
