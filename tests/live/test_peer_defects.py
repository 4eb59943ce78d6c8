"""Defects that were found by reading other depth nodes for ROS, and the tests that hold each of them off here.

1. Depth 0.0 for unknown or too far: a point at the camera's own origin.
   tests/live/test_geometry_live.py::test_unknown_depth_is_never_a_point_at_the_camera
   tests/test_filters.py::test_limits_follow_rep_117
2. Sky filled with a depth of the frame: a wall that moves.
   tests/test_pipeline.py::test_sky_stays_sky_through_the_pipeline
   tests/live/test_geometry_live.py::test_the_clearing_cloud_reaches_as_far_as_the_view_is_free
3. Depth enlarged bicubically: overshoot and flying points at edges.
   tests/test_resample.py::test_every_value_is_a_source_value_or_lies_within_one_surface
4. Depth of the network's size beside camera_info of the camera's.
   tests/live/test_stream_live.py::test_every_depth_image_has_a_camera_info_of_the_same_stamp_size_and_intrinsics
   tests/live/test_geometry_live.py::test_depth_of_the_networks_size_has_the_intrinsics_of_that_size
5. Parameters that are documented, accepted and never used.
   tests/live/test_peer_defects.py::test_every_parameter_is_used
   tests/live/test_parameters_live.py::test_a_live_parameter_holds_for_the_next_frame
6. A network of relative depth as the default; defaults that differ between code and YAML.
   tests/test_pipeline.py::test_relative_networks_and_empty_ranges_are_refused
   tests/test_params.py::test_yaml_holds_every_parameter_with_its_default
7. Depth offered best effort where its users ask for reliable.
   tests/live/test_qos_live.py::test_outputs_are_reliable_so_that_every_consumer_matches
8. Stamps of the moment of publishing; one frame given out twice.
   tests/live/test_stream_live.py::test_every_output_has_the_stamp_and_frame_of_its_image_and_none_comes_twice
9. The raw image taken beside the compressed one; a README that differs from the code.
   tests/live/test_bad_images_live.py::test_compressed_images_of_a_transport_and_damaged_ones
   tests/test_params.py::test_readme_names_every_parameter_with_its_default
10. A cached engine that outlives the network it was made of.
   tests/engines/test_runtimes.py::test_onnxruntime_never_mixes_in_a_replaced_file
   tests/test_engine.py::test_wrong_hash_is_refused_before_a_library_is_imported
11. A scale to be tuned by eye.
   tests/test_pipeline.py::test_canonical_metres_follow_the_focal_length
12. A best-effort camera that is subscribed to reliably: nothing, silently.
   tests/live/test_qos_live.py::test_either_reliability_of_a_camera_is_taken
   tests/live/test_qos_live.py::test_a_camera_that_the_node_does_not_match_is_named
13. Red and blue swapped; device buffers made again for every frame.
   tests/live/test_geometry_live.py::test_colours_are_right_whatever_order_the_camera_has_them_in
   tests/engines/test_network_engine.py::test_a_shape_is_compiled_once
14. A sky parameter that reaches nothing; networks without a sky output refused.
   tests/engines/test_runtimes.py::test_network_without_sky
15. A precision that is accepted and cannot work.
   tests/test_engine.py::test_options_outside_the_table_are_refused
   tests/engines/test_runtimes.py::test_int8_is_refused_for_a_network_that_was_not_quantised
16. An uncalibrated camera: a cloud of NaN without a message.
   tests/live/test_camera_info_live.py::test_unusable_intrinsics_say_why_and_good_ones_mend_it
"""

from __future__ import annotations

import ast
import re

import pytest

from depth_anything_ros.params import PARAMETERS
from tests.source_tree import PACKAGE, REPOSITORY, modules_of

DEFECTS = dict(re.findall(r"^(\d+)\. (.*(?:\n   .*)*)", __doc__ or "", re.MULTILINE))


def test_all_sixteen_are_here() -> None:
    assert list(DEFECTS) == [str(number) for number in range(1, 17)]


@pytest.mark.parametrize("number", DEFECTS)
def test_each_defect_has_tests_that_exist(number: str) -> None:
    named = re.findall(r"(tests/\S+\.py)::(\w+)", DEFECTS[number])
    assert named
    for path, name in named:
        assert f"def {name}(" in (REPOSITORY / path).read_text("utf-8"), f"{path}::{name}"


def test_every_parameter_is_used() -> None:
    """Each name is read somewhere beside the table; ``qos.`` and ``publish.`` names are put together from two parts."""
    texts: set[str] = set()
    for name, path in modules_of(PACKAGE).items():
        if name not in ("params", "engine_params", "info"):
            nodes = ast.walk(ast.parse(path.read_text("utf-8")))
            texts |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    unused = []
    for spec in PARAMETERS:
        first, *rest = spec.name.split(".")
        if first == "qos":
            is_used = rest[0] in texts and f".{rest[1]}" in texts and "qos." in texts
        elif first == "publish":
            is_used = rest[0] in texts and "publish." in texts
        else:
            is_used = spec.name in texts
        if not is_used:
            unused.append(spec.name)
    assert unused == []
