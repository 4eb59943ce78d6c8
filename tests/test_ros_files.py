"""Files for ROS that no code of ours reads: RViz, Nav2, containers, the workflow. Held to what the node really does."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from depth_anything_ros.params import BY_NAME

UNRUN = ["docker/desktop.Dockerfile", "docker/jetson.Dockerfile", ".github/workflows/ros.yml"]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


@pytest.fixture
def voxel_layer(repository: Path) -> dict[str, Any]:
    document = load(repository / "config" / "nav2_voxel.yaml")
    layer: dict[str, Any] = document["local_costmap"]["local_costmap"]["ros__parameters"]["voxel_layer"]
    return layer


def test_rviz_asks_for_what_is_offered(repository: Path) -> None:
    displays = load(repository / "config" / "depth.rviz")["Visualization Manager"]["Displays"]
    topics = {display["Topic"]["Value"]: display["Topic"] for display in displays if "Topic" in display}
    # Every camera serves a best-effort reader; the node's own outputs are reliable by default.
    assert {name: topic["Reliability Policy"] for name, topic in topics.items()} == {
        "/image": "Best Effort",
        "/depth/image": "Reliable",
        "/points": "Reliable",
    }
    assert {BY_NAME[f"qos.{name}.profile"].default for name in ("depth_image", "points")} == {"default"}
    assert {topic["Durability Policy"] for topic in topics.values()} == {"Volatile"}


def test_rviz_shows_depth_between_fixed_limits(repository: Path) -> None:
    displays = load(repository / "config" / "depth.rviz")["Visualization Manager"]["Displays"]
    (depth,) = [display for display in displays if display.get("Topic", {}).get("Value") == "/depth/image"]
    assert depth["Normalize Range"] is False
    assert depth["Min Value"] < depth["Max Value"]


def test_costmap_marks_by_one_source_and_clears_by_both(voxel_layer: dict[str, Any]) -> None:
    sources = voxel_layer["observation_sources"].split()
    assert {voxel_layer[name]["topic"]: voxel_layer[name]["marking"] for name in sources} == {
        "/points": True,
        "/points_clearing": False,
    }
    for name in sources:
        assert voxel_layer[name]["clearing"] is True
        assert voxel_layer[name]["data_type"] == "PointCloud2"
        # Points that are told apart by height only where they mark.
        is_filtered = voxel_layer[name]["min_obstacle_height"] > -10.0
        assert is_filtered == voxel_layer[name]["marking"]


def test_costmap_ranges_and_heights_fit_each_other(voxel_layer: dict[str, Any]) -> None:
    depth = voxel_layer["depth"]
    assert 0.0 < depth["obstacle_min_range"] < depth["obstacle_max_range"] < depth["raytrace_max_range"]
    assert depth["raytrace_max_range"] < BY_NAME["points_clearing.range"].default
    assert voxel_layer["depth_clearing"]["raytrace_max_range"] == depth["raytrace_max_range"]
    assert voxel_layer["z_voxels"] <= 16
    top = voxel_layer["origin_z"] + voxel_layer["z_voxels"] * voxel_layer["z_resolution"]
    assert 0.0 < depth["min_obstacle_height"] < depth["max_obstacle_height"] <= top
    assert depth["expected_update_rate"] > 0.0
    assert voxel_layer["depth_clearing"]["expected_update_rate"] == 0.0


def test_the_example_of_a_field_of_view_follows_its_formula(repository: Path) -> None:
    text = (repository / "config" / "nav2_voxel.yaml").read_text("utf-8")
    found = re.findall(r"2 \* atan\((\d+) / (\d+)\) = (\d+\.\d+)", text)
    assert len(found) == 2
    for half, focal, angle in found:
        assert float(angle) == pytest.approx(2 * math.atan(int(half) / int(focal)), abs=5e-4)


def test_lifecycle_manager_waits_for_no_bond(repository: Path) -> None:
    parameters = load(repository / "config" / "nav2_lifecycle.yaml")["lifecycle_manager_depth"]["ros__parameters"]
    assert parameters["bond_timeout"] == 0.0
    name = re.search(
        r'^NODE_NAME = "(\w+)"$', (repository / "depth_anything_ros" / "node.py").read_text(), re.MULTILINE
    )
    assert name is not None
    assert parameters["node_names"] == [name.group(1)]


@pytest.mark.parametrize("name", UNRUN)
def test_what_was_never_run_says_so_in_its_first_line(repository: Path, name: str) -> None:
    assert "Not run" in (repository / name).read_text("utf-8").splitlines()[0]


def test_the_workflow_runs_the_ros_tests_of_three_distributions(repository: Path) -> None:
    job = load(repository / ".github" / "workflows" / "ros.yml")["jobs"]["ros"]
    assert [entry["distro"] for entry in job["strategy"]["matrix"]["include"]] == ["humble", "jazzy", "lyrical"]
    assert job["container"] == "ros:${{ matrix.distro }}"
    assert any("pytest -m ros" in step.get("run", "") for step in job["steps"])


@pytest.mark.parametrize(
    "name", ["README.md", "docs/ROS.md", "CONTRIBUTING.md", "QUALITY_DECLARATION.md", "CHANGELOG.md"]
)
def test_files_that_a_page_names_exist(repository: Path, name: str) -> None:
    page = repository / name
    text = page.read_text("utf-8")
    links = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    quoted = re.findall(r"`((?:config|constraints|docker|launch|docs|scripts)/[\w./-]+\.\w+)`", text)
    missing = [link for link in links if link and not (page.parent / link).exists()]
    assert missing + [path for path in quoted if not (repository / path).exists()] == []
