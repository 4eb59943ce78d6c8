"""OpenEXR files as a renderer writes them: uncompressed scan lines, any channel names."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def write_exr(path: Path, channels: dict[str, NDArray[np.float32]]) -> None:
    """Write float channels by name. OpenCV's own writer has no say in the names."""
    height, width = next(iter(channels.values())).shape
    names = sorted(channels)
    listed = b"".join(name.encode() + b"\0" + struct.pack("<iBxxxii", 2, 0, 1, 1) for name in names) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    attributes = [
        ("channels", "chlist", listed),
        ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
    ]
    header = struct.pack("<2i", 20000630, 2)
    for name, kind, value in attributes:
        header += name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
    header += b"\0"
    row_bytes = 4 * width * len(names)
    first = len(header) + 8 * height
    offsets = b"".join(struct.pack("<Q", first + row * (8 + row_bytes)) for row in range(height))
    rows = b"".join(
        struct.pack("<2i", row, row_bytes) + b"".join(channels[name][row].astype("<f4").tobytes() for name in names)
        for row in range(height)
    )
    path.write_bytes(header + offsets + rows)
