"""Unpack compressed parts of recordings within a bound of memory, and of a truncated part what is there."""

from __future__ import annotations

import bz2
import sys

from lz4.frame import LZ4FrameDecompressor

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Recorders write chunks of about one megabyte, or of one message if that is longer.
MAX_CHUNK_BYTES = 1 << 30


def inflate(data: bytes | memoryview, compression: str, size: int = MAX_CHUNK_BYTES) -> bytes | memoryview:
    """Return at most `size` bytes of what `data` holds, compressed by '', none, zstd, lz4 or bz2.

    A part that was cut off yields its beginning. Raises ValueError for an unknown compression, a damaged part, or a
    size above MAX_CHUNK_BYTES.
    """
    if size > MAX_CHUNK_BYTES:
        raise ValueError(f"it claims {size} bytes; at most {MAX_CHUNK_BYTES} are accepted")
    if compression in ("", "none"):
        return data[:size]
    decompressors = {"zstd": zstd.ZstdDecompressor, "lz4": LZ4FrameDecompressor, "bz2": bz2.BZ2Decompressor}
    if compression not in decompressors:
        raise ValueError(f"compression {compression!r} is unknown; accepted: zstd, lz4, bz2 or none")
    try:
        unpacked: bytes = decompressors[compression]().decompress(data, size)
    except (zstd.ZstdError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise ValueError(f"the {compression} data are damaged ({error})") from error
    return unpacked
