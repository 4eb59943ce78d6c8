"""Graphs are made with onnx (extras convert and tensorrt); without it these tests cannot even be collected."""

from __future__ import annotations

import importlib.util

_HAS_ONNX = importlib.util.find_spec("onnx") is not None
collect_ignore_glob = [] if _HAS_ONNX else ["test_*.py"]


def pytest_report_header() -> list[str]:
    """Say what is left out as a whole."""
    return [] if _HAS_ONNX else ["onnx does not import: tests/graphs is left out"]
