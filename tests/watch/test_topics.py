"""Which topics are watched: by type, name and what their images turned out to hold; and in words why there is none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.watch.topics import (
    CAMERA_INFO,
    COMPRESSED,
    IMAGE,
    POINTS,
    choose_topics,
    explain_absence,
    explain_silence,
    published_topics,
)

NONE = {"image": None, "depth": None, "points": None}
OURS = {
    "/image": IMAGE,
    "/camera_info": CAMERA_INFO,
    "/depth/image": IMAGE,
    "/depth/colored": IMAGE,
    "/image_rect": IMAGE,
    "/points": POINTS,
}


def choose(types: dict[str, str], is_depth: dict[str, bool] | None = None, **wanted: str) -> dict[str, str]:
    return choose_topics(types, {**NONE, **wanted}, is_depth or {})


def test_our_own_topics_are_found() -> None:
    assert choose(OURS) == {"image": "/image", "depth": "/depth/image", "points": "/points"}


def test_a_drivers_topics_are_found() -> None:
    types = {
        "/camera/camera/color/image_raw": IMAGE,
        "/camera/camera/color/image_raw/compressed": COMPRESSED,
        "/camera/camera/color/image_raw/compressedDepth": COMPRESSED,
        "/camera/camera/aligned_depth_to_color/image_raw": IMAGE,
    }
    assert choose(types) == {
        "image": "/camera/camera/color/image_raw",
        "depth": "/camera/camera/aligned_depth_to_color/image_raw",
    }


def test_compressed_images_are_taken_where_there_are_no_others() -> None:
    assert choose({"/image/compressed": COMPRESSED, "/depth/image": IMAGE})["image"] == "/image/compressed"


def test_depth_and_cloud_are_of_the_camera_whose_picture_is_shown() -> None:
    types = {f"/{name}/{topic}": IMAGE for name in ("front", "left") for topic in ("image", "depth/image")}
    types |= {f"/{name}/points": POINTS for name in ("front", "left")}
    chosen = choose(types, image="/left/image")
    assert chosen == {"image": "/left/image", "depth": "/left/depth/image", "points": "/left/points"}


def test_what_an_image_holds_goes_before_its_name() -> None:
    types = {"/a/depth_preview": IMAGE, "/a/range": IMAGE, "/a/image": IMAGE}
    assert choose(types)["depth"] == "/a/depth_preview"
    assert choose(types, {"/a/depth_preview": False, "/a/range": True})["depth"] == "/a/range"
    assert choose(types, {"/a/image": True, "/a/range": False})["image"] == "/a/range"


def test_named_topics_are_taken_or_waited_for() -> None:
    assert choose(OURS, image="/image_rect")["image"] == "/image_rect"
    assert "image" not in choose(OURS, image="/later")


def test_a_named_topic_of_another_type_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--depth /points is of type sensor_msgs/msg/PointCloud2; accepted: .*Image"):
        choose(OURS, depth="/points")


def test_only_what_is_published_counts() -> None:
    publishers = {"/image": ["p"], "/depth/image": []}
    node = SimpleNamespace(
        get_topic_names_and_types=lambda: [("/image", [IMAGE]), ("/depth/image", [IMAGE]), ("/chatter", ["x/msg/Y"])],
        get_publishers_info_by_topic=lambda name: publishers[name],
    )
    assert published_topics(node, [IMAGE, POINTS]) == {"/image": (IMAGE, ["p"])}


def test_absence_is_explained() -> None:
    assert explain_absence("points", None, {}) == ("no point cloud: nobody publishes one (sensor_msgs/msg/PointCloud2)")
    assert explain_absence("depth", "/deph/image", OURS) == "nobody publishes /deph/image; did you mean /depth/image?"


def test_silence_is_explained() -> None:
    publishers: list[Any] = [SimpleNamespace(node_name="camera", node_namespace="/front")]
    assert (
        explain_silence("/image", publishers, []) == "nothing on /image yet: /front/camera has it but has sent nothing"
    )
    assert explain_silence("/image", publishers, ["/x publishes best effort"]) == (
        "nothing on /image: /x publishes best effort"
    )
