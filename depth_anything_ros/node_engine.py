"""The node's engine: its options from the parameters, and a thread for what takes minutes, so that the node answers."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .engine import DepthEngine
from .engine_options import EngineOptions, Report
from .errors import ConfigError, DepthAnythingError, EngineNotReady
from .fetch import fetch_model, needs_fetch
from .licences import check_licence
from .models import get_model
from .node_parameters import pipeline_options
from .pipeline import DepthPipeline
from .preprocess import network_size
from .scale_calibration import load_calibration

_SAY_EVERY_S = 10.0


def engine_options(values: Mapping[str, Any]) -> EngineOptions:
    """What the node's parameters say of the engine. Raises ConfigError."""
    return EngineOptions(
        engine=values["engine"],
        precision=values["precision"],
        threads=values["threads"] or None,
        device=values["device"],
        resize=values["resize"],
        accept_license=accepted_licences(values),
        max_batch=max(1, len(values["cameras"])),
        background=True,
        meanwhile="" if values["engine_meanwhile"] == "none" else values["engine_meanwhile"],
        cpu_fallback=values["cpu_fallback"],
        plan=Path(values["plan"]) if values["plan"] else None,
        workspace_mb=values["workspace_mb"],
    )


def accepted_licences(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in ``accept_license``, which are separated by commas."""
    return tuple(name.strip() for name in values["accept_license"].split(",") if name.strip())


def camera_size(values: Mapping[str, Any]) -> tuple[int, int] | None:
    """(width, height) [px] of the parameter ``camera_size``; None where it is empty. Raises ConfigError."""
    text = values["camera_size"]
    if not text:
        return None
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ConfigError(f"parameter camera_size is {text!r}; accepted: WIDTHxHEIGHT in pixels, as 640x480, or empty")
    return int(width), int(height)


def begin(engine: DepthEngine, size: tuple[int, int] | None) -> None:
    """Have an engine made ready for a camera of ``size`` (width, height) before its first image; no size: nothing."""
    if size is None:
        return
    h, w = network_size(*size, engine.spec.resize)
    with contextlib.suppress(EngineNotReady):
        engine.infer(np.zeros((1, h, w, 3), np.uint8))


class EngineOpening:
    """An engine that is opened in a thread: ``engine`` or ``failure`` when it is done, ``progress`` until then."""

    def __init__(self, open_engine: Callable[[Report], DepthEngine], what: str) -> None:
        self.engine: DepthEngine | None = None
        self.failure = ""
        self.progress = what
        self._open_engine = open_engine
        self._is_cancelled = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="engine opening", daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """Whether there is an engine or a failure."""
        return self.engine is not None or bool(self.failure)

    def cancel(self) -> None:
        """Give up; an engine that comes nevertheless is closed."""
        with self._lock:
            self._is_cancelled = True
            engine, self.engine = self.engine, None
        if engine is not None:
            engine.close()

    def _report(self, what: str, fraction: float | None) -> None:
        if self._is_cancelled:
            raise EngineNotReady("given up")  # unwinds whatever is downloading or building
        self.progress = what if fraction is None else f"{what}: {fraction:.0%}"

    def _work(self) -> None:
        try:
            engine = self._open_engine(self._report)
        except DepthAnythingError as error:
            self.failure = " ".join(str(error).split())
            return
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
            return
        with self._lock:
            if not self._is_cancelled:
                self.engine = engine
                return
        engine.close()


class NodeEngine:
    """The node's engine from configuring to cleaning up: opened at once, or in a thread if its network must be fetched.

    Parameters
    ----------
    values: the node's parameters.
    load: ``engine.load_engine``.
    say: receives what is worth a line in the log.

    ``failure`` is why what the thread began has come to nothing. Raises a DepthAnythingError for whatever can be told
    at once.
    """

    def __init__(self, values: Mapping[str, Any], load: Callable[..., DepthEngine], say: Callable[[str], None]) -> None:
        self.engine: DepthEngine | None = None
        self.failure = ""
        self.calibration = load_calibration(Path(values["scale_file"])) if values["scale_file"] else None
        self._log = ProgressLog(say)
        self._say = say
        self._said: set[str] = set()
        self._opening: EngineOpening | None = None
        model, accept = values["model"], accepted_licences(values)
        options, size = engine_options(values), camera_size(values)

        def open_engine(report: Report) -> DepthEngine:
            engine = load(model, options, report=report)
            try:
                begin(engine, size)
                self._pipeline_of(engine, values)  # what does not fit together is told now
            except BaseException:
                engine.close()
                raise
            return engine

        def fetch_and_open(report: Report) -> DepthEngine:
            fetch_model(model, accept=accept, report=report)
            return open_engine(report)

        if needs_fetch(model):
            check_licence(model, get_model(model).licence, accept)
            self._opening = EngineOpening(fetch_and_open, f"fetching {model}")
        else:
            self._take(open_engine(_quiet))

    def poll(self) -> bool:
        """Go on; true once, when what the thread opened has been taken over."""
        self._log.update(self.progress)
        if self.engine is not None:
            self._introduce(self.engine)
        if self._opening is None or not self._opening.is_done:
            return False
        opening, self._opening = self._opening, None
        self.failure = opening.failure
        if opening.engine is not None:
            self._take(opening.engine)
        return self.engine is not None

    @property
    def progress(self) -> str:
        """What is being prepared, in words; empty when all is ready."""
        if self._opening is not None:
            return self._opening.progress
        return str(getattr(self.engine, "progress", ""))

    def pipeline(self, values: Mapping[str, Any]) -> DepthPipeline | None:
        """A pipeline with the options in ``values``; None as long as there is no engine."""
        return None if self.engine is None else self._pipeline_of(self.engine, values)

    def first_pipeline(self, values: Mapping[str, Any]) -> DepthPipeline | None:
        """As ``pipeline``; None, and a ``failure``, where parameters were changed to what the network, not known then,
        cannot have."""
        try:
            return self.pipeline(values)
        except DepthAnythingError as error:
            self.failure = " ".join(str(error).split())
            return None

    def close(self) -> None:
        """Close or give up whatever there is."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        if self.engine is not None:
            self.engine.close()
            self.engine = None

    def _pipeline_of(self, engine: DepthEngine, values: Mapping[str, Any]) -> DepthPipeline:
        return DepthPipeline(engine, pipeline_options(values, self.calibration))

    def _take(self, engine: DepthEngine) -> None:
        self.engine = engine
        self._introduce(engine)

    def _introduce(self, engine: DepthEngine) -> None:
        """Say what runs, and again what is new of it: a plan that is ready, one that was refused, another engine."""
        info = engine.info
        for text in (f"{engine.spec.name} on {info.engine} {info.precision} ({info.reason})", *info.notes):
            if text not in self._said:
                self._said.add(text)
                self._say(text)


def _quiet(what: str, fraction: float | None) -> None:
    """The engine's own ``progress`` says the same."""


class ProgressLog:
    """Says what is being prepared: at once when it begins, then every ten seconds if it is another.

    What comes of it is said elsewhere: that nothing is being prepared any more is no proof of an engine.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said = ""
        self._said_s = -_SAY_EVERY_S

    def update(self, progress: str) -> None:
        """``progress`` is empty while nothing is being prepared."""
        if not progress:
            self._said, self._said_s = "", -_SAY_EVERY_S
            return
        now_s = time.monotonic()
        if progress != self._said and now_s - self._said_s >= _SAY_EVERY_S:
            self._say(progress)
            self._said, self._said_s = progress, now_s
