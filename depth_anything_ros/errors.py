"""Every error the package raises on purpose: one tree, one line per message.

A message names the offending value, where it was found and what is accepted. User mistakes belong to the ``ValueError``
family and end a command with exit code 2; a failing engine is a ``RuntimeError``; an absent library an ``ImportError``.
"""

from __future__ import annotations


class DepthAnythingError(Exception):
    """Base of all errors of this package."""


class ConfigError(DepthAnythingError, ValueError):
    """An option, parameter, recipe key or combination of them is not acceptable."""


class LicenceError(ConfigError):
    """The terms of a network's weights must be accepted by name before it is used."""


class CameraError(DepthAnythingError, ValueError):
    """Intrinsics are missing, uncalibrated, inconsistent with the image, or of an unknown distortion model."""


class ImageError(DepthAnythingError, ValueError):
    """An image message or file cannot be decoded: size, step, encoding or bytes are wrong."""


class SourceError(DepthAnythingError, ValueError):
    """A recording cannot be opened or does not hold what is needed."""


class SpecError(DepthAnythingError, ValueError):
    """An engine's spec file is absent, malformed, of another format version, or does not match its artifact."""


class OutputError(DepthAnythingError, ValueError):
    """Results cannot be written: the folder is not writable, the disk is full, or the target already exists."""


class EngineError(DepthAnythingError, RuntimeError):
    """An engine cannot be built, fails its golden sample, or fails while running."""


class EngineNotReady(EngineError):
    """The engine is still being prepared (fetched, built or checked); the same call works later.

    Parameters
    ----------
    what: what is being done, in words.
    fraction: how much of it is done, 0 to 1; None if not known.
    """

    def __init__(self, what: str, fraction: float | None = None) -> None:
        super().__init__(what if fraction is None else f"{what} ({fraction:.0%})")
        self.what = what
        self.fraction = fraction


class MissingDependency(DepthAnythingError, ImportError):
    """A library that an optional part needs is not installed.

    Parameters
    ----------
    name: the library, as it is imported.
    extra: the extra of this package that brings it.
    """

    def __init__(self, name: str, extra: str) -> None:
        super().__init__(f"{name} is not installed; it comes with: pip install 'depth_anything_ros[{extra}]'")
        self.name = name
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingDependency], tuple[str | None, str]]:
        # A process that loads data sends it to the one that trains.
        return type(self), (self.name, self.extra)
