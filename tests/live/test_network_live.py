"""A machine whose only interface cannot multicast: the three find each other all the same, and it is said once.

The processes run in a network namespace of their own, which has nothing but a loopback interface.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.live.actors import own_graph

# SIOCSIFFLAGS with IFF_UP and IFF_RUNNING, as `ip link set lo up` does; then the process is there to be joined.
_LOOPBACK_UP = """
import fcntl, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    fcntl.ioctl(probe, 0x8914, struct.pack("16sh22x", b"lo", 0x1 | 0x40))
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def namespace() -> Iterator[list[str]]:
    """Command words that run another command in a network namespace with nothing but loopback."""
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        pytest.skip("unshare and nsenter are not installed")
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", _LOOPBACK_UP]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        if holder.stdout.readline() != "up\n":
            pytest.skip("this system does not let users make network namespaces")
        yield ["nsenter", "--preserve-credentials", "--user", "--net", "--target", str(holder.pid)]
        holder.stdin.close()


@pytest.mark.parametrize("reach", ["SUBNET", "LOCALHOST"])
def test_three_processes_find_each_other_without_multicast(namespace: list[str], reach: str, world: str) -> None:
    if world == "rclpy" and reach == "SUBNET":
        pytest.skip("ROS 2 itself needs multicast for this range")
    with own_graph(namespace, ROS_AUTOMATIC_DISCOVERY_RANGE=reach) as graph:
        camera, consumer = graph.camera(), graph.consumer("depth/image")
        node = graph.node()
        camera.wait_for_subscribers()
        camera.stream(rate=10.0, width=160, height=120)
        consumer.wait_for_message("depth/image")
        if reach == "SUBNET":
            said = [line for line in node.log if "multicast" in line]
            assert len(said) == 1, node.tail()
