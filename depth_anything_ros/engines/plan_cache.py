"""The folder of TensorRT plans: each with a JSON beside it: what it depends on, and whether it passed its check.

A plan is code that runs as the user who loads it. The folder is therefore the user's own and nobody else's, and a plan
is read only if it is the very file that was stored. Names: ``<stem>.plan`` and ``<stem>.json`` belong together; what
failed is kept as ``<stem>.plan.rejected``, with its reason in the JSON.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import glob
import hashlib
import json
import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import EngineError
from ..folders import plans_folder
from ..golden import GoldenError
from .plan_key import PlanKey, key_from_dict
from .plan_lock import is_locked

VERDICTS = ("built", "accepted", "rejected")
REJECTED = ".rejected"


@dataclass(frozen=True, kw_only=True)
class PlanRecord:
    """What is known of one plan."""

    key: PlanKey
    verdict: str
    """built (not checked yet), accepted, or rejected: never tried again for this key unless that is forced."""
    reason: str = ""
    """Why it was rejected."""
    plan_sha256: str = ""
    """Empty where no plan could be built."""
    plan_bytes: int = 0
    build_s: float = 0.0
    golden: GoldenError | None = None
    date: str = ""
    """When the verdict was given (ISO 8601, UTC)."""

    def with_verdict(self, verdict: str, *, reason: str = "", golden: GoldenError | None = None) -> PlanRecord:
        """The record with a new verdict, given now."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        return dataclasses.replace(self, verdict=verdict, reason=reason, golden=golden, date=now)


class PlanCache:
    """The plans in a folder, by default the user's own cache. Every failure of the file system is one EngineError."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = plans_folder() if folder is None else folder

    def open(self) -> None:
        """Make the folder, or make sure that it is this user's alone; raises EngineError where it is another's."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.folder.stat()
            owner = found.st_uid
            if owner == os.getuid():
                if found.st_mode & 0o777 != 0o700:  # a folder on a read-only disk may be right as it is
                    self.folder.chmod(0o700)
                return
        except OSError as error:
            raise EngineError(f"cannot make {self.folder}: {error.strerror}") from error
        raise EngineError(
            f"{self.folder} belongs to user {owner}, this is user {os.getuid()}; a plan is code, and only one's own is"
            " loaded: set XDG_CACHE_HOME to another folder"
        )

    def plan_path(self, key: PlanKey) -> Path:
        """Where the plan of that key is kept."""
        return self.folder / f"{key.stem}.plan"

    def lock_path(self, key: PlanKey) -> Path:
        """File whose lock is held while that plan is looked up and built."""
        return self.folder / f"{key.stem}.lock"

    def log_path(self, key: PlanKey) -> Path:
        """What TensorRT said when that plan was built last."""
        return self.folder / f"{key.stem}.log"

    def builder_lock_path(self, key: PlanKey) -> Path:
        """File whose lock is held while any plan is built on that GPU."""
        return self.folder / f"building-{key.machine_digest}.lock"

    def new_plan_path(self, key: PlanKey) -> Path:
        """Where that plan is written while it is built; the lock's holder alone does that."""
        return self.folder / f".{key.stem}.tmp"

    def remove_unfinished(self, key: PlanKey) -> None:
        """Remove what a build that was killed left behind; for the lock's holder."""
        with _one_line(f"cannot change {self.folder}"):
            for path in self.folder.glob(f".{glob.escape(key.stem)}.tmp*"):
                path.unlink(missing_ok=True)

    def timing_cache_path(self, key: PlanKey) -> Path:
        """Kernel timings of this machine, which make later builds faster."""
        return self.folder / f"timing-{key.machine_digest}.cache"

    def find(self, key: PlanKey) -> PlanRecord | None:
        """What is known of the plan of that key; None where nothing is, or what is there cannot be read."""
        record = _read_record(self._record_path(key))
        return record if record is not None and record.key == key else None

    def read_plan(self, record: PlanRecord) -> bytes:
        """The plan's bytes; raises EngineError unless they are the very ones that were stored."""
        path = self.plan_path(record.key)
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                data = file.read()
        except OSError as error:
            raise EngineError(f"cannot read {path.name}: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != record.plan_sha256:
            raise EngineError(f"{path.name} is damaged: its {len(data)} bytes are not those that were stored")
        return data

    def store(self, record: PlanRecord, built: Path | None = None) -> PlanRecord:
        """Keep what is known of a plan, and the file ``built``, which is moved here; returns the record."""
        with _one_line(f"cannot write into {self.folder}"):
            if built is not None:
                built.chmod(0o600)
                os.replace(built, self.plan_path(record.key))
            self._write_record(record)
        return record

    def set_aside(self, record: PlanRecord) -> None:
        """Take a plan out of use; the file is kept under a name that nothing loads."""
        path = self.plan_path(record.key)
        with _one_line(f"cannot set {path} aside"), contextlib.suppress(FileNotFoundError):
            os.replace(path, path.with_name(path.name + REJECTED))

    def forget_verdict(self, key: PlanKey) -> None:
        """Remove the record of that key, so that the plan is built anew."""
        with _one_line(f"cannot change {self.folder}"):
            self._record_path(key).unlink(missing_ok=True)

    def forget(self, key: PlanKey) -> None:
        """Remove what is kept of that key, whose lock the caller holds."""
        plan = self.plan_path(key)
        with _one_line(f"cannot change {self.folder}"):
            for path in (self._record_path(key), plan, plan.with_name(plan.name + REJECTED)):
                path.unlink(missing_ok=True)

    def records(self) -> list[PlanRecord]:
        """All that is known, by network, size and machine."""
        found = (_read_record(path) for path in self.folder.glob("*.json"))
        return sorted((record for record in found if record is not None), key=_order)

    def clear(self) -> int:
        """Remove everything, damaged files and those of other versions too; returns the bytes that this freed.

        What a process is building at this moment stays.
        """
        freed = 0
        busy = tuple(path.stem for path in self.folder.glob("*.lock") if is_locked(path))
        with _one_line(f"cannot clear {self.folder}"):
            for path in list(self._files()):
                if not path.name.lstrip(".").startswith(busy):
                    freed += path.stat().st_size
                    path.unlink(missing_ok=True)
        return freed

    def usual_build_s(self, key: PlanKey) -> float | None:
        """How long plans of this network's size took to build on this machine [s]; None where none was built."""
        same = [
            record.build_s
            for record in self.records()
            if record.build_s and record.key.machine_digest == key.machine_digest
            if record.key.artifact_sha256 == key.artifact_sha256
        ]
        return statistics.median(same) if same else None

    def why_absent(self, key: PlanKey) -> str:
        """What differs in the plan that is nearest to an absent one, as after an update; "" where none is near."""
        near = [
            key.differences(record.key)
            for record in self.records()
            if record.verdict == "accepted" and record.key.artifact_sha256 == key.artifact_sha256
            if (record.key.rung, record.key.shape) == (key.rung, key.shape)
        ]
        near.sort(key=len)
        return ", ".join(near[0]) if near else ""

    def _record_path(self, key: PlanKey) -> Path:
        return self.folder / f"{key.stem}.json"

    def _write_record(self, record: PlanRecord) -> None:
        path = self._record_path(record.key)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(dataclasses.asdict(record), file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def _files(self) -> Iterator[Path]:
        endings = (".plan", ".json", ".cache", ".lock", ".log", ".npz", ".tmp", REJECTED)
        return (path for path in self.folder.glob("*") if path.name.endswith(endings) and path.is_file())


@contextlib.contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Turn what the file system refuses into an EngineError."""
    try:
        yield
    except OSError as error:
        raise EngineError(f"{what}: {error.strerror}") from error


def _order(record: PlanRecord) -> tuple[str, tuple[int, int, int], str, str]:
    key = record.key
    return key.network, key.shape, key.machine_digest, key.rung


def _read_record(path: Path) -> PlanRecord | None:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        key = key_from_dict(data.pop("key"))
        golden = data.pop("golden")
        record = PlanRecord(key=key, golden=None if golden is None else GoldenError(**golden), **data)  # type: ignore[arg-type]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return record if key is not None and record.verdict in VERDICTS else None
