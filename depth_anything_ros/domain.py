"""The ROS domain id, which ROS itself refuses without a word about the reason."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .errors import ConfigError

MAX_DOMAIN_ID = 232
"""Ports of higher domains lie beyond 65535."""


def domain_id(environment: Mapping[str, str] | None = None) -> int:
    """Return what ROS_DOMAIN_ID says, 0 if it says nothing. Raises ConfigError for what is no domain id.

    ``environment`` is the process's own by default.
    """
    text = (os.environ if environment is None else environment).get("ROS_DOMAIN_ID", "").strip()
    if not text:
        return 0
    if text.isdecimal() and text.isascii() and int(text) <= MAX_DOMAIN_ID:
        return int(text)
    raise ConfigError(f"ROS_DOMAIN_ID is {text!r}; accepted: a whole number from 0 to {MAX_DOMAIN_ID}")
