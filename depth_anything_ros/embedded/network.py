"""What the environment says about the network, as the configuration of a Cyclone DDS domain."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from ..domain import domain_id
from ..errors import ConfigError

_RANGES = ("LOCALHOST", "SUBNET", "OFF", "SYSTEM_DEFAULT")

# Below this an image of 1280x720 loses fragments before they are read; stock kernels allow 208 kB.
NEEDED_RECEIVE_BUFFER = 4 * 1024 * 1024

# `max`, not `min`: a kernel that allows less then degrades instead of refusing the participant.
_TRANSPORT = (
    "<General><MaxMessageSize>65500B</MaxMessageSize><FragmentSize>8000B</FragmentSize>{general}</General>"
    '<Internal><SocketReceiveBufferSize max="16MB"/></Internal>'
)
# Cyclone DDS takes one interface by itself and drops what peers of the same machine send to 127.0.0.1.
_INTERFACES = '<Interfaces><NetworkInterface autodetermine="true"/><NetworkInterface address="127.0.0.1"/></Interfaces>'
# Peers without multicast that start later are found by asking again; by default that ends after 30 s.
_PEER = '<Peer address={address} PruneDelay="inf"/>'
_ASK_AGAIN = "<SPDPInterval>5s</SPDPInterval>"

_SIOCGIFFLAGS, _SIOCGIFADDR = 0x8913, 0x8915
_IFF_UP, _IFF_LOOPBACK, _IFF_MULTICAST = 0x1, 0x8, 0x1000


@dataclass(frozen=True)
class NetworkSettings:
    """Domain id, configuration (XML, then the user's own) and the lines that the user should see once."""

    domain_id: int
    configuration: str
    warnings: tuple[str, ...]


def network_settings(environment: Mapping[str, str] | None = None) -> NetworkSettings:
    """Read ROS_DOMAIN_ID, ROS_AUTOMATIC_DISCOVERY_RANGE, ROS_STATIC_PEERS, ROS_LOCALHOST_ONLY and CYCLONEDDS_URI.

    ``environment`` is the process's own by default. Raises ConfigError for a value that is not accepted.
    """
    environment = os.environ if environment is None else environment
    discovery_range = _discovery_range(environment)
    peers = [peer for peer in environment.get("ROS_STATIC_PEERS", "").split(";") if peer]
    warnings = []
    if peers and discovery_range in ("OFF", "SYSTEM_DEFAULT"):
        warnings.append(f"ROS_STATIC_PEERS is ignored: ROS_AUTOMATIC_DISCOVERY_RANGE is {discovery_range}")
    interfaces = external_interfaces()
    has_multicast = interfaces is None or any(interfaces.values())
    if discovery_range == "SUBNET" and not has_multicast:
        warnings.append(
            "no network interface has multicast: nodes of this machine are found, others only by ROS_STATIC_PEERS"
        )
    if (limit := receive_buffer_limit()) is not None and limit < NEEDED_RECEIVE_BUFFER:
        warnings.append(
            f"the receive buffer is limited to {limit} bytes, large images of best-effort publishers get lost: "
            f"sudo sysctl -w net.core.rmem_max={NEEDED_RECEIVE_BUFFER}"
        )
    own = environment.get("CYCLONEDDS_URI", "").strip()
    general = ""
    if not has_multicast or discovery_range in ("LOCALHOST", "OFF"):
        general += "<AllowMulticast>false</AllowMulticast>"
    if interfaces and discovery_range != "SYSTEM_DEFAULT" and not _names_interfaces(own):
        general += _INTERFACES
    configuration = (
        "<CycloneDDS><Domain>"
        + _TRANSPORT.format(general=general)
        + _discovery(discovery_range, peers)
        + "</Domain></CycloneDDS>"
    )
    if own:
        # Later fragments win.
        configuration += f",{own}"
    return NetworkSettings(domain_id(environment), configuration, tuple(warnings))


def _discovery_range(environment: Mapping[str, str]) -> str:
    if (only := environment.get("ROS_LOCALHOST_ONLY", "")) not in ("", "0", "1"):
        raise ConfigError(f"ROS_LOCALHOST_ONLY is {only!r}; 0 or 1 is needed")
    if only == "1":
        return "LOCALHOST"
    chosen = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE") or "SUBNET"
    if chosen.upper() not in _RANGES:
        raise ConfigError(f"ROS_AUTOMATIC_DISCOVERY_RANGE is {chosen!r}; one of {', '.join(_RANGES)} is needed")
    return chosen.upper()


def _discovery(discovery_range: str, static_peers: list[str]) -> str:
    if discovery_range == "OFF":
        # A tag that nobody shares keeps even participants on the same ports apart.
        tag = f"ros_discovery_off_{os.getpid()}"
        return f"<Discovery><ParticipantIndex>none</ParticipantIndex><Tag>{tag}</Tag></Discovery>"
    # Without `auto`, nodes of real ROS 2 on the same machine are not seen, in either direction.
    index = "<ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>32</MaxAutoParticipantIndex>"
    if discovery_range == "SYSTEM_DEFAULT":
        return f"<Discovery>{index}</Discovery>"
    # The machine itself is always a peer: multicast may be filtered although the interface has it.
    peers = "".join(_PEER.format(address=quoteattr(peer)) for peer in ["localhost", *static_peers])
    return f"<Discovery>{index}{_ASK_AGAIN}<Peers>{peers}</Peers></Discovery>"


def _names_interfaces(uri: str) -> bool:
    """Whether the user's configuration (XML, or files by name) chooses the interfaces itself."""
    texts = [uri]
    for part in uri.split(","):
        path = Path(part.strip().removeprefix("file://"))
        with contextlib.suppress(OSError, ValueError):
            texts.append(path.read_text(errors="replace"))
    return any("NetworkInterface" in text for text in texts)


def external_interfaces() -> dict[str, bool] | None:
    """Network interfaces, other than loopback, that are up with an IPv4 address, and whether each has multicast.

    None where that cannot be told (elsewhere than on Linux).
    """
    if sys.platform != "linux":
        return None
    import fcntl

    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            request = struct.pack("16s24x", name.encode())
            try:
                answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
                fcntl.ioctl(any_socket, _SIOCGIFADDR, request)
            except OSError:
                continue
            (flags,) = struct.unpack_from("=H", answer, 16)
            if flags & _IFF_UP and not flags & _IFF_LOOPBACK:
                found[name] = bool(flags & _IFF_MULTICAST)
    return found


def receive_buffer_limit(limit_file: Path = Path("/proc/sys/net/core/rmem_max")) -> int | None:
    """Largest receive buffer [bytes] that the kernel gives a socket; None where that cannot be told."""
    try:
        return int(limit_file.read_text())
    except (OSError, ValueError):
        return None
