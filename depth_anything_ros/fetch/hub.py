"""One file of the Hugging Face hub: found in its cache or downloaded, resumed where it was cut, and checked.

``huggingface_hub`` itself begins a cut download anew; so its metadata and its transfer are used, and the unfinished
file is kept here.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from ..engine_options import Report
from ..errors import EngineError, MissingDependency
from ..outputs import os_errors
from ..spec import sha256_of
from .store import check_space, exclusive, megabytes

_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubFile:
    """A file of a repository on the hub."""

    repo: str
    path: str
    size_bytes: int
    """As near as it is known before the hub is asked."""

    @property
    def name(self) -> str:
        """Its name without folders."""
        return PurePosixPath(self.path).name

    @property
    def url(self) -> str:
        """Where a browser gets it; HF_ENDPOINT, which names a mirror, counts."""
        endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        return f"{endpoint.rstrip('/')}/{self.repo}/resolve/main/{self.path}"


def require_hub() -> Any:
    """The library, quiet: progress and errors are told here. Raises MissingDependency."""
    try:
        import huggingface_hub
        import huggingface_hub.file_download
        import huggingface_hub.utils
    except ImportError:
        raise MissingDependency("huggingface_hub", "fetch") from None
    huggingface_hub.utils.disable_progress_bars()
    huggingface_hub.utils.logging.set_verbosity_error()
    return huggingface_hub


def download(file: HubFile, folder: Path, tell: Report, *, by_hand: str) -> Path:
    """Path of the file, whole: from ``folder``, from the hub's cache on this machine, or downloaded into ``folder``.

    Its hash is compared with the hub's. What was received before an interruption is kept, and the next call goes on
    from there. ``by_hand`` says what to do where the hub does not give the file. Raises EngineError, OutputError for a
    full disk, MissingDependency.
    """
    hub = require_hub()
    complete = folder / file.name
    cached = _from_cache(hub, file, tell)
    with exclusive(complete, tell):
        tell(f"asking the hub for {file.repo}/{file.path}", None)
        try:
            metadata = hub.get_hf_file_metadata(_hub_url(hub, file), token=hub.get_token())
        except Exception as error:
            if not _is_of_the_network(error):
                raise
            earlier = cached or (complete if complete.is_file() else None)
            if earlier is None or _status(error) is not None:
                raise EngineError(_refusal(file, error, by_hand)) from error
            tell("the hub cannot be reached; taking what was downloaded earlier", None)
            return earlier
        digest, size = metadata.etag or "", metadata.size
        if size is None or not (_SHA256.fullmatch(digest) or _GIT_SHA1.fullmatch(digest)):
            raise EngineError(f"{file.url} comes without its hash and size, so it cannot be checked; {by_hand}")
        for path in filter(None, (cached, complete if complete.is_file() else None)):
            if path.stat().st_size == size and _digest_of(path, digest) == digest:
                return path
        part = folder / f"{file.name}.{digest[:16]}.part"
        _remove_others(folder, file, part)
        _receive(hub, file, part, size, tell, by_hand)
        tell(f"checking {file.name}", None)
        found = _digest_of(part, digest)
        if found != digest:
            part.unlink()
            raise EngineError(
                f"{file.name} arrived damaged: its hash is {found[:12]}…, the hub says {digest[:12]}…;"
                " it was deleted, try again"
            )
        with os_errors(complete):
            os.replace(part, complete)
    return complete


class _Received:
    """The unfinished file, as the transfer writes to it; counts what arrives."""

    def __init__(self, file: BinaryIO, on_bytes: Callable[[int], None]) -> None:
        self._file = file
        self._on_bytes = on_bytes

    def write(self, data: bytes) -> int:
        written = self._file.write(data)
        self._on_bytes(self._file.tell())
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _receive(hub: Any, file: HubFile, part: Path, size: int, tell: Report, by_hand: str) -> None:
    """Bring ``part`` to its full size."""
    have = part.stat().st_size if part.is_file() else 0
    if have > size:
        part.unlink()
        have = 0
    if have == size:
        return
    check_space([(part.parent, size - have, f"the download of {file.name}")])

    def on_bytes(position: int) -> None:
        tell(f"downloading {file.name} ({megabytes(size)})", position / size)

    if have:
        tell(f"resuming {file.name}: {megabytes(have)} of {megabytes(size)} are here", None)
    try:
        with os_errors(part):
            opened = open(part, "ab")  # noqa: SIM115
        with opened:
            hub.file_download.http_get(
                _hub_url(hub, file),
                _Received(opened, on_bytes),
                resume_size=have,
                headers=hub.utils.build_hf_headers(token=hub.get_token()),
                expected_size=size,
            )
    except Exception as error:
        if not _is_of_the_network(error):
            with os_errors(part):
                raise
        raise EngineError(_interruption(file, part, size, error, by_hand)) from error


def _digest_of(path: Path, like: str) -> str:
    """A file's hash in the manner of ``like``: SHA-256 for what the hub stores as large files, Git's own for others."""
    if len(like) == 64:
        return sha256_of(path)
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _is_of_the_network(error: Exception) -> bool:
    """Whether it is the hub's or the connection's, not the disk's or the caller's; the library's own HTTP errors are
    OSErrors without a number, those of what it stands on are of httpx or its like."""
    if isinstance(error, OSError):
        return error.errno is None or isinstance(error, (ConnectionError, TimeoutError))
    return type(error).__module__.startswith("http")


def _status(error: Exception) -> int | None:
    """Status of the hub's answer; None where it was not reached, or was not itself."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if status is not None and 400 <= status < 500 and status not in (408, 429) else None


def _from_cache(hub: Any, file: HubFile, tell: Report) -> Path | None:
    """The file in the hub's cache on this machine, if it is there and undamaged."""
    found = hub.try_to_load_from_cache(file.repo, file.path)
    if not isinstance(found, str):
        return None
    path = Path(found).resolve()
    tell(f"checking {file.name} in the hub's cache on this machine", None)
    # The cache calls a large file by its hash.
    return path if path.is_file() and _SHA256.fullmatch(path.name) and sha256_of(path) == path.name else None


def _remove_others(folder: Path, file: HubFile, part: Path) -> None:
    """Remove what was received of other versions of the file."""
    for other in folder.glob(f"{file.name}*"):
        if other != part:
            other.unlink(missing_ok=True)


def _hub_url(hub: Any, file: HubFile) -> str:
    return str(hub.hf_hub_url(file.repo, file.path))


def _refusal(file: HubFile, error: Exception, by_hand: str) -> str:
    status = _status(error)
    if status == 404:
        return f"the hub has no {file.path} in {file.repo} (404); {by_hand}"
    if status in (401, 403):
        return (
            f"the hub does not give {file.repo} without an account that may read it ({status}): accept its terms on"
            f" its page and log in with `hf auth login`; or {by_hand}"
        )
    return f"cannot reach the hub for {file.repo} ({_reason(error)}); {by_hand}"


def _interruption(file: HubFile, part: Path, size: int, error: Exception, by_hand: str) -> str:
    have = part.stat().st_size if part.is_file() else 0
    return (
        f"the download of {file.name} was cut ({_reason(error)}); {megabytes(have)} of {megabytes(size)} are kept,"
        f" and the same command goes on from there; or {by_hand}"
    )


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}" if text else type(error).__name__
