"""ROS_DOMAIN_ID: what is a domain id, and what is refused."""

from __future__ import annotations

import pytest

from depth_anything_ros.domain import domain_id
from depth_anything_ros.errors import ConfigError


@pytest.mark.parametrize(("text", "expected"), [("", 0), (" ", 0), ("0", 0), ("42", 42), (" 232 ", 232)])
def test_domain_ids(text, expected):
    assert domain_id({"ROS_DOMAIN_ID": text}) == expected


def test_without_the_variable_it_is_0():
    assert domain_id({}) == 0


@pytest.mark.parametrize("text", ["233", "300", "-1", "1.5", "seven", "²"])
def test_what_is_none_is_refused_with_the_range(text):
    with pytest.raises(ConfigError, match=r"ROS_DOMAIN_ID is '.*'; accepted: a whole number from 0 to 232"):
        domain_id({"ROS_DOMAIN_ID": text})


def test_the_environment_is_the_processs_own(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "17")
    assert domain_id() == 17
