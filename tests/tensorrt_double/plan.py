"""The stand-in's plans: a header that says for what they were built, and the network."""

from __future__ import annotations

import dataclasses
import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any

MAGIC = b"STANDIN\x01"
_LENGTHS = struct.Struct("<IQI")  # of the header, of the network; checksum of both


@dataclass(frozen=True)
class Plan:
    """What a plan holds."""

    version: str
    gpu: str
    compute_capability: tuple[int, int]
    name: str
    profile: dict[str, list[list[int]]]
    """Smallest, best and largest shape of every input."""
    faults: list[str]
    network: bytes

    def to_bytes(self) -> bytes:
        fields = {key: value for key, value in dataclasses.asdict(self).items() if key != "network"}
        header = json.dumps(fields).encode()
        lengths = _LENGTHS.pack(len(header), len(self.network), zlib.crc32(header + self.network))
        return MAGIC + lengths + header + self.network


def read_plan(data: bytes) -> Plan | str:
    """A plan, or what TensorRT would write about bytes that are none."""
    start = len(MAGIC) + _LENGTHS.size
    if data[: len(MAGIC)] != MAGIC or len(data) < start:
        return "Serialization assertion header.magicTag == rt::kPLAN_MAGIC_TAG failed. Magic tag does not match"
    header_length, network_length, checksum = _LENGTHS.unpack(data[len(MAGIC) : start])
    if len(data) != start + header_length + network_length or zlib.crc32(data[start:]) != checksum:
        return "Serialization assertion safeVersionRead == kSAFE_SERIALIZATION_VERSION failed. The plan is corrupt"
    fields: dict[str, Any] = json.loads(data[start : start + header_length])
    fields["compute_capability"] = tuple(fields["compute_capability"])
    return Plan(**fields, network=data[start + header_length :])
