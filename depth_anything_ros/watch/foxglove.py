"""A Foxglove server that takes serialised ROS messages as they are; the viewer is a program or web page of its own."""

from __future__ import annotations

import foxglove
from foxglove import Channel, Context, Schema
from rosbags.typesys import Stores, get_typestore

from ..errors import ConfigError

# A viewer that is too slow loses frames; it must not make them wait here.
_BACKLOG = 16


class FoxgloveServer:
    """Serves topics over a WebSocket on `host` and `port` (0: any free one); ``url`` is what a viewer opens.

    Raises ConfigError if the address cannot be used.
    """

    def __init__(self, host: str, port: int) -> None:
        self._context = Context()
        self._types = get_typestore(Stores.ROS2_HUMBLE)
        self._channels: dict[str, Channel] = {}
        try:
            self._server = foxglove.start_server(
                name="depth_anything_ros",
                host=host,
                port=port,
                context=self._context,
                message_backlog_size=_BACKLOG,
            )
        except Exception as error:  # the SDK has no documented class for it
            raise ConfigError(f"Foxglove cannot be served on {host}:{port}: {' '.join(str(error).split())}") from error
        self.url = f"ws://{host}:{self._server.port}"

    def forward(self, topic: str, kind: str, cdr: bytes) -> None:
        """Send a message of type `kind` to the viewers that watch its topic."""
        channel = self._channels.get(topic)
        if channel is None:
            text, _ = self._types.generate_msgdef(kind, ros_version=2)
            schema = Schema(name=kind, encoding="ros2msg", data=text.encode())
            channel = Channel(topic, schema=schema, message_encoding="cdr", context=self._context)
            self._channels[topic] = channel
        if channel.has_sinks():
            channel.log(bytes(cdr))

    def decode(self, cdr: bytes, kind: str) -> object:
        """Return the message; its bytes are views of `cdr`."""
        message: object = self._types.deserialize_cdr(cdr, kind)
        return message

    def close(self) -> None:
        """Let the viewers go and free the port."""
        for channel in self._channels.values():
            channel.close()
        self._server.stop()
