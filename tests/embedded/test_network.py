"""The environment's say over the network, and whether Cyclone DDS takes the configuration made of it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

pytest.importorskip("cyclonedds", reason="the embedded runtime needs cyclonedds")

from depth_anything_ros.embedded import network
from depth_anything_ros.embedded.transport import Participant
from depth_anything_ros.errors import ConfigError


def root(**environment: str) -> ElementTree.Element:
    return ElementTree.fromstring(network.network_settings(environment).configuration)


def peers(**environment: str) -> list[str | None]:
    return [peer.get("address") for peer in root(**environment).iter("Peer")]


@pytest.mark.parametrize(("text", "number"), [("", 0), ("0", 0), (" 7 ", 7), ("232", 232)])
def test_domain_ids_are_read(text: str, number: int) -> None:
    assert network.network_settings({"ROS_DOMAIN_ID": text}).domain_id == number
    assert network.network_settings({}).domain_id == 0


@pytest.mark.parametrize("text", ["233", "-1", "a", "1.0", "²", "99999999999"])
def test_a_domain_id_out_of_range_is_refused_with_the_range(text: str) -> None:
    with pytest.raises(ConfigError, match=r"ROS_DOMAIN_ID is .*; accepted: a whole number from 0 to 232"):
        network.network_settings({"ROS_DOMAIN_ID": text})


def test_unknown_words_are_refused_with_those_accepted() -> None:
    with pytest.raises(ConfigError, match="'NEAR'; one of LOCALHOST, SUBNET, OFF, SYSTEM_DEFAULT"):
        network.network_settings({"ROS_AUTOMATIC_DISCOVERY_RANGE": "NEAR"})
    with pytest.raises(ConfigError, match="ROS_LOCALHOST_ONLY is 'yes'; 0 or 1"):
        network.network_settings({"ROS_LOCALHOST_ONLY": "yes"})


def test_every_range_looks_where_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "external_interfaces", lambda: {"eth0": True})
    for environment, multicast, expected in (
        ({}, None, ["localhost", "10.0.0.1"]),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "subnet"}, None, ["localhost", "10.0.0.1"]),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, "false", ["localhost", "10.0.0.1"]),
        ({"ROS_LOCALHOST_ONLY": "1"}, "false", ["localhost", "10.0.0.1"]),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}, "false", []),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT"}, None, []),
    ):
        found = root(**environment, ROS_STATIC_PEERS="10.0.0.1;")
        assert found.findtext("Domain/General/AllowMulticast") == multicast, environment
        assert [peer.get("address") for peer in found.iter("Peer")] == expected, environment


def test_static_peers_that_nobody_asks_are_said() -> None:
    settings = network.network_settings({"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF", "ROS_STATIC_PEERS": "10.0.0.1"})
    assert any("ROS_STATIC_PEERS is ignored" in warning for warning in settings.warnings)


def test_a_peer_cannot_break_out_of_the_configuration() -> None:
    assert peers(ROS_STATIC_PEERS='a"/><Peer address="b') == ["localhost", 'a"/><Peer address="b']


def test_without_multicast_this_machine_is_still_reached_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for interfaces in ({}, {"eth0": False}):
        monkeypatch.setattr(network, "external_interfaces", interfaces.copy)
        settings = network.network_settings({})
        assert any("no network interface has multicast" in warning for warning in settings.warnings)
        assert "<AllowMulticast>false</AllowMulticast>" in settings.configuration
        assert 'address="localhost"' in settings.configuration
        assert ("NetworkInterface" in settings.configuration) == bool(interfaces)


def test_a_small_receive_buffer_is_said_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small").write_text("212992\n")
    assert network.receive_buffer_limit(tmp_path / "small") == 212992
    assert network.receive_buffer_limit(tmp_path / "absent") is None
    for limit, count in ((212992, 1), (network.NEEDED_RECEIVE_BUFFER, 0), (None, 0)):
        monkeypatch.setattr(network, "receive_buffer_limit", lambda limit=limit: limit)
        warnings = network.network_settings({"ROS_LOCALHOST_ONLY": "1"}).warnings
        assert sum("sysctl -w net.core.rmem_max=" in warning for warning in warnings) == count


def test_the_users_configuration_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "external_interfaces", lambda: {"eth0": True})
    own = "<CycloneDDS><Domain><General><MaxMessageSize>1400B</MaxMessageSize></General></Domain></CycloneDDS>"
    assert network.network_settings({"CYCLONEDDS_URI": own}).configuration.endswith("," + own)
    # Two lists of interfaces would add up.
    chosen = tmp_path / "cyclone.xml"
    chosen.write_text(own.replace("<MaxM", '<Interfaces><NetworkInterface name="lo"/></Interfaces><MaxM'))
    for uri in (f"file://{chosen}", str(chosen), chosen.read_text()):
        configuration = network.network_settings({"CYCLONEDDS_URI": uri}).configuration
        assert "autodetermine" not in configuration


@pytest.mark.parametrize("discovery_range", ["LOCALHOST", "SUBNET", "OFF", "SYSTEM_DEFAULT"])
def test_cyclone_dds_takes_every_configuration(
    domain: int, discovery_range: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", discovery_range)
    settings = network.network_settings()
    participant = Participant(settings.domain_id, settings.configuration)
    assert participant.is_open
    participant.close()


def test_a_configuration_that_is_none_is_refused_in_one_line(domain: int) -> None:
    with pytest.raises(ConfigError, match=f"Cyclone DDS refuses domain {domain} with .*Nonsense") as caught:
        Participant(domain, "<CycloneDDS><Domain><Nonsense/></Domain></CycloneDDS>")
    assert "\n" not in str(caught.value)
