"""Metric depth for any robot camera: images and intrinsics in, depth images and point clouds in metres out."""

__version__ = "0.1.0"
