"""What the node says of itself on /diagnostics: one status for the engine, one for each camera, in plain words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .channel_stats import NOT_READY, SUPERSEDED, StatsReport
from .engine import DepthEngine

OK, WARN, ERROR = range(3)
_OLD_MS = 3_600_000.0
"""Stamps that differ from the clock by more than this are not of this clock."""


@dataclass(frozen=True)
class Status:
    """One diagnostic_msgs/DiagnosticStatus: level OK, WARN or ERROR, a sentence, and values by key."""

    name: str
    level: int
    message: str
    hardware_id: str = ""
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CameraFacts:
    """What is known of one camera at one moment."""

    name: str
    image_topic: str
    camera_info_topic: str
    wanted: tuple[str, ...]
    image_publishers: tuple[str, ...]
    camera_info_publishers: tuple[str, ...]
    camera_problem: str
    frame_id: str
    unreached: tuple[str, ...]
    stats: StatsReport


def why_nothing(facts: CameraFacts) -> list[str]:
    """Reasons, in words, why nothing is published for a camera; empty if nothing stands in the way."""
    if not facts.wanted:
        return ["nobody subscribes to an output, so images are not asked for", *facts.unreached]
    reasons = list(facts.unreached)
    if not facts.image_publishers:
        reasons.append(f"no publisher on {facts.image_topic}")
    elif not facts.stats.is_receiving and not facts.unreached:
        reasons.append(f"no image on {facts.image_topic}, though {', '.join(facts.image_publishers)} publishes there")
    if facts.camera_problem:
        problem = facts.camera_problem
        if not facts.camera_info_publishers:
            problem += f": no publisher on {facts.camera_info_topic}"
        reasons.append(problem)
    faults = _faults(facts.stats)
    if not reasons and faults:
        cause = max(faults, key=lambda name: faults[name])
        reasons.append(f"frames are dropped: {cause}: {facts.stats.last_drop[cause]}".rstrip(": "))
    return reasons


def remarks(facts: CameraFacts) -> list[str]:
    """What is odd about a camera that works."""
    found = list(facts.unreached)
    if facts.stats.received and not _is_optical(facts.frame_id):
        name = repr(facts.frame_id)
        found.append(f"frame_id {name} is not an optical frame by its name (REP 103: *_optical_frame, z forward)")
    if len(facts.image_publishers) > 1:
        found.append(f"{len(facts.image_publishers)} publishers on {facts.image_topic}: {_listed(facts)}")
    if facts.stats.stamps_back:
        found.append("stamps went back: a recording that began again, or two publishers?")
    age = facts.stats.times_ms.get("age")
    if age is not None and abs(age["p50"]) > _OLD_MS:
        found.append("stamps are not of this clock: a recording without use_sim_time?")
    return found


def camera_status(prefix: str, facts: CameraFacts) -> Status:
    """Status of one camera; ``prefix`` is the node's name."""
    stats = facts.stats
    values = {
        "image topic": facts.image_topic,
        "camera_info topic": facts.camera_info_topic,
        "frame_id": facts.frame_id,
        "subscribed to outputs": ", ".join(facts.wanted) or "none",
        "images received": str(stats.received),
        "frames published": str(stats.published),
        "rate in [Hz]": f"{stats.rate_in:.2f}",
        "rate out [Hz]": f"{stats.rate_out:.2f}",
    }
    for cause, count in stats.drops.items():
        values[f"dropped: {cause}"] = f"{count} {stats.last_drop[cause]}".strip()
    for stage, times in stats.times_ms.items():
        values[f"{stage} p50 [ms]"], values[f"{stage} p99 [ms]"] = f"{times['p50']:.2f}", f"{times['p99']:.2f}"
    name = f"{prefix}: camera {facts.name}".rstrip()
    if facts.wanted and (stats.rate_out > 0.0 or (stats.is_publishing and not _faults(stats))):
        odd = remarks(facts)
        return Status(name, WARN if odd else OK, "; ".join(odd) or "publishing", facts.frame_id, values)
    reasons = why_nothing(facts) or ["waiting for the next image"]
    values["why nothing is published"] = "; ".join(reasons)
    # Nobody listening is no fault, and the first period has no rate yet.
    level = OK if not facts.wanted and not facts.unreached else WARN
    faults = _faults(stats).keys() - {NOT_READY}
    is_useless = bool(facts.camera_problem and facts.camera_info_publishers) or bool(faults)
    if facts.wanted and stats.received and is_useless:
        level = ERROR
    return Status(name, level, "; ".join(reasons), facts.frame_id, values)


def engine_status(
    prefix: str,
    engine: DepthEngine | None,
    *,
    state: str,
    failure: str,
    num_failures: int,
    error: str = "",
    progress: str = "",
    scale: str = "",
    notes: Sequence[str] = (),
) -> Status:
    """Status of the engine and the node's state.

    ``failure`` is why there is no engine, ``error`` what went wrong with it last, ``progress`` what is being prepared,
    ``scale`` the calibration in use, ``notes`` what else is to be known of the metres, all in words.
    """
    values = {"state": state, "engine errors": str(num_failures), "memory [MB]": f"{memory_mb():.0f}"}
    if progress:
        values["being prepared"] = progress
    name = f"{prefix}: engine"
    if engine is None:
        if progress:
            return Status(name, WARN, f"{state}: {progress}", values=values)
        if failure:
            return Status(name, ERROR, f"{failure}; configure the node again after mending it", values=values)
        return Status(name, WARN, f"{state}: no engine loaded", values=values)
    spec, info = engine.spec, engine.info
    values |= {
        "network": spec.name,
        "spec": f"{spec.artifact or 'none'} sha256 {spec.artifact_sha256[:12]}",
        "licence": f"{spec.licence.id} ({spec.licence.category})",
        "licence accepted": spec.licence_accepted or "needs no acceptance",
        "scale": scale or "as the network gives it",
        "engine": f"{info.engine} {info.version}",
        "precision": info.precision,
        "device": info.device,
        "chosen because": info.reason,
        "notes": "; ".join((*info.notes, *(note for note in notes if note != scale))),
    }
    if error:
        return Status(name, ERROR, f"{state}: {error}", info.device, values)
    if progress:
        return Status(name, WARN, f"{state}: {progress}", info.device, values)
    running = f"{state}: {spec.name} on {info.engine} {info.precision}"
    if info.is_fallback:
        return Status(name, WARN, f"{running}, {info.reason}", info.device, values)
    return Status(name, OK, running, info.device, values)


def to_message(statuses: Iterable[Status], header: Any, message: Callable[[str], Any]) -> Any:
    """Return a diagnostic_msgs/DiagnosticArray; ``message`` gives the classes (see ``ros.message``)."""
    status_of, pair_of = message("diagnostic_msgs/msg/DiagnosticStatus"), message("diagnostic_msgs/msg/KeyValue")
    return message("diagnostic_msgs/msg/DiagnosticArray")(
        header=header,
        status=[
            status_of(
                level=bytes([status.level]),
                name=status.name,
                message=status.message,
                hardware_id=status.hardware_id,
                values=[pair_of(key=key, value=value) for key, value in status.values.items()],
            )
            for status in statuses
        ],
    )


def memory_mb() -> float:
    """Memory that the process holds now [MB]; NaN where the system does not tell (other than Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _faults(stats: StatsReport) -> dict[str, int]:
    """Frames of the period that were lost to a fault; that the camera is faster than the engine is none."""
    return {cause: count for cause, count in stats.new_drops.items() if cause != SUPERSEDED}


def _is_optical(frame_id: str) -> bool:
    return "optical" in frame_id


def _listed(facts: CameraFacts) -> str:
    return ", ".join(facts.image_publishers)
