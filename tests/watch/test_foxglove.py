"""The Foxglove server, asked by a client of our own over its WebSocket: what it offers, and the bytes that arrive."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("foxglove")

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.watch.foxglove import FoxgloveServer
from tests.sample_bags import IMAGE, START_NS, STORE, image_message, picture

_TEXT, _BINARY = 1, 2


class Client:
    """As much of a WebSocket client (RFC 6455) and of Foxglove's protocol as is needed."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("ws://").partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10.0)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET / HTTP/1.1",
            f"Host: {host}:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: foxglove.sdk.v1",
        ]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._file = self._socket.makefile("rb")
        assert b"101" in self._file.readline()
        while self._file.readline().strip():
            pass

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def receive(self) -> tuple[int, bytes]:
        first, length = self._file.read(2)
        length &= 127
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(self._file.read(size), "big")
        return first & 15, self._file.read(length)

    def send(self, message: dict[str, Any]) -> None:
        data, mask = json.dumps(message).encode(), os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        self._socket.sendall(bytes([0x80 | _TEXT, 0x80 | 126]) + struct.pack(">H", len(data)) + mask + masked)

    def channels(self) -> list[dict[str, Any]]:
        """The next channels that the server offers."""
        while True:
            kind, data = self.receive()
            if kind == _TEXT and (message := json.loads(data))["op"] == "advertise":
                channels: list[dict[str, Any]] = message["channels"]
                return channels


@pytest.fixture
def server() -> Iterator[FoxgloveServer]:
    server = FoxgloveServer("127.0.0.1", 0)
    yield server
    server.close()


def test_messages_arrive_as_the_bytes_they_were(server: FoxgloveServer) -> None:
    cdr = bytes(STORE.serialize_cdr(image_message(picture(), "rgb8", START_NS), IMAGE))
    server.forward("/image", IMAGE, cdr)  # offers the topic; nobody watches yet
    client = Client(server.url)
    (channel,) = client.channels()
    assert (channel["topic"], channel["encoding"], channel["schemaName"]) == ("/image", "cdr", IMAGE)
    assert channel["schemaEncoding"] == "ros2msg"
    assert "uint8[] data" in channel["schema"] and "MSG: std_msgs/Header" in channel["schema"]
    client.send({"op": "subscribe", "subscriptions": [{"id": 7, "channelId": channel["id"]}]})
    done = threading.Event()

    def forward() -> None:
        while not done.wait(0.05):
            server.forward("/image", IMAGE, cdr)

    thread = threading.Thread(target=forward)
    thread.start()
    try:
        received = next(data for kind, data in iter(client.receive, None) if kind == _BINARY)
    finally:
        done.set()
        thread.join()
    client.close()
    # An opcode, the subscription, the time of logging, and then the message.
    assert (received[0], struct.unpack("<I", received[1:5])[0], received[13:]) == (1, 7, cdr)


def test_every_topic_is_a_channel_of_its_own(server: FoxgloveServer) -> None:
    cdr = bytes(STORE.serialize_cdr(image_message(picture(), "rgb8", START_NS), IMAGE))
    for topic in ("/image", "/depth/image", "/image"):
        server.forward(topic, IMAGE, cdr)
    client = Client(server.url)
    assert sorted(channel["topic"] for channel in client.channels()) == ["/depth/image", "/image"]
    client.close()


def test_it_listens_on_loopback_unless_told_otherwise(server: FoxgloveServer) -> None:
    assert server.url.startswith("ws://127.0.0.1:") and not server.url.endswith(":0")


def test_an_address_in_use_is_one_line(server: FoxgloveServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(ConfigError, match=rf"cannot be served on 127\.0\.0\.1:{port}: .*in use") as caught:
        FoxgloveServer("127.0.0.1", port)
    assert "\n" not in str(caught.value)


def test_the_port_is_free_afterwards() -> None:
    first = FoxgloveServer("127.0.0.1", 0)
    port = int(first.url.rpartition(":")[2])
    first.close()
    end_s = time.monotonic() + 10.0
    while True:  # the SDK's own thread lets go of it a moment later
        try:
            FoxgloveServer("127.0.0.1", port).close()
            break
        except ConfigError:
            assert time.monotonic() < end_s
            time.sleep(0.05)


def test_messages_are_decoded_for_the_figures(server: FoxgloveServer) -> None:
    cdr = bytes(STORE.serialize_cdr(image_message(picture(), "rgb8", START_NS), IMAGE))
    message: Any = server.decode(cdr, IMAGE)
    assert (message.width, message.height, message.encoding) == (64, 48, "rgb8")
