"""The processes of the live tests belong to the graph that started them, whatever else is set for them."""

from __future__ import annotations

import os

import pytest

from tests.live.actors import Graph


def test_an_environment_that_is_added_leaves_the_graph_its_domain_and_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "94")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somebodys/cache")
    graph = Graph(7, XDG_CACHE_HOME="/tmp/own")
    graph.add_env({**os.environ, "PYTHONPATH": "/shim", "ADDED": "1"})
    assert graph.env["ROS_DOMAIN_ID"] == "7"
    assert (graph.env["XDG_CACHE_HOME"], graph.env["PYTHONPATH"], graph.env["ADDED"]) == ("/tmp/own", "/shim", "1")
