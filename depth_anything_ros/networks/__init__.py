"""The network, once: DINOv2 encoder and DPT decoder from ``transformers`` with every output head of the family.

Needs torch and transformers (extra ``[convert]``); reached by name only, never imported by the core. Training, export
and the torch engine all build the network here.
"""

from __future__ import annotations

from .config import NetworkConfig
from .depth_network import DepthNetwork, build_network

__all__ = ["DepthNetwork", "NetworkConfig", "build_network"]
