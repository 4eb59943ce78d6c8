"""Fixtures of the live tests: a graph of processes, per test or per file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from depth_anything_ros.errors import MissingDependency
from tests.live.actors import Graph, own_graph


@pytest.fixture(scope="package", autouse=True)
def world() -> str:
    """Which ROS 2 the tests run on: rclpy or embedded."""
    try:
        from depth_anything_ros.ros import WORLD
    except MissingDependency as error:
        pytest.skip(f"neither ROS 2 nor Cyclone DDS is installed: {error}")
    return WORLD


@pytest.fixture
def graph() -> Iterator[Graph]:
    """An empty graph of a test's own."""
    with own_graph() as graph:
        yield graph


@pytest.fixture(scope="module")
def shared_graph() -> Iterator[Graph]:
    """An empty graph that the tests of a file share."""
    with own_graph() as graph:
        yield graph
