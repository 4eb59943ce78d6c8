"""Processes of a small ROS graph of a test's own: cameras, depth nodes and consumers, over DDS on loopback."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.embedded.domains import unused_domain

TIMEOUT_S = 30.0
"""Longer than anything takes on a busy machine; what is waited for mostly comes within a second."""
DIAGNOSTICS_PERIOD_S = 0.25
Record = dict[str, Any]
# A domain is this process's until it ends; there are fewer of them than tests.
_idle_domains: list[int] = []


class Actor:
    """A process that is told commands and whose records and log lines are collected while it runs."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self.records: list[Record] = []
        self.log: list[str] = []
        self.others: Sequence[Actor] = ()
        self._news = threading.Condition()
        self._num_commands = 0
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1)
        self._threads = [
            threading.Thread(target=self._collect, args=(stream, keep), daemon=True)
            for stream, keep in ((self._process.stdout, self._keep_record), (self._process.stderr, self.log.append))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def ask(self, do: str, **arguments: Any) -> Any:
        """Give a command and return its answer."""
        self._num_commands += 1
        number = self._num_commands
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "do": do, **arguments}) + "\n")
        return self.wait_for(f"the answer to {do}", lambda record: record.get("id") == number)["answer"]

    def wait_for(
        self, what: str, fits: Callable[[Record], bool], *, since: int = 0, timeout_s: float = TIMEOUT_S
    ) -> Record:
        """The first record from ``since`` on that fits; a test fails that waits for ``what`` in vain."""
        found: Record = self._first(what, self.records, fits, since, timeout_s)
        return found

    def wait_for_log(self, pattern: str, *, since: int = 0, timeout_s: float = TIMEOUT_S) -> str:
        """The first log line from ``since`` on that the pattern is found in."""
        what = f"a log line like {pattern!r}"
        line: str = self._first(what, self.log, lambda text: bool(re.search(pattern, text)), since, timeout_s)
        return line

    def wait_for_end(self, timeout_s: float = TIMEOUT_S) -> int:
        """The exit code, when the process has ended by itself."""
        code = self._process.wait(timeout_s)
        for thread in self._threads:
            thread.join(timeout_s)
        return code

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        self._process.send_signal(number)
        return self.wait_for_end()

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
        self.wait_for_end()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def tail(self) -> str:
        """The last that the process logged, and its exit code."""
        return "\n".join([f"-- {type(self).__name__} {self.pid}, exit code {self.returncode}:", *self.log[-25:]])

    def _collect(self, stream: Any, keep: Callable[[str], None]) -> None:
        for line in stream:
            with self._news:
                keep(line.rstrip("\n"))
                self._news.notify_all()

    def _keep_record(self, line: str) -> None:
        self.records.append(json.loads(line))

    def _first(self, what: str, kept: list[Any], fits: Callable[[Any], bool], since: int, timeout_s: float) -> Any:
        end_s = time.monotonic() + timeout_s
        looked_at = since
        with self._news:
            while True:
                has_ended = self._process.poll() is not None and not any(thread.is_alive() for thread in self._threads)
                for item in kept[looked_at:]:
                    looked_at += 1
                    if fits(item):
                        return item
                left_s = end_s - time.monotonic()
                if left_s <= 0.0 or has_ended:
                    state = f"exit code {self._process.poll()}" if has_ended else f"{timeout_s:g} s"
                    said = "\n".join([*map(str, self.records[-5:]), *(actor.tail() for actor in self.others)])
                    raise AssertionError(f"{what} did not come ({state}); what did last:\n{said}")
                self._news.wait(min(left_s, 0.2))


class Camera(Actor):
    """A process of one or several cameras (``camera_process.Rig``)."""

    def stream(self, *, rate: float = 10.0, count: int = 0, camera: str = "", **view: Any) -> None:
        """Publish a ``camera_process.View``; ``count`` 0: until something else is asked."""
        self.ask("stream", view=view, rate=rate, count=count, camera=camera)

    def stop_stream(self, camera: str = "") -> None:
        self.ask("stop", camera=camera)

    def stamps(self, camera: str = "", since: int = 0) -> list[int]:
        """Stamps of the images so far [ns]."""
        return [record["sent"] for record in self.records[since:] if "sent" in record and record["camera"] == camera]

    def wait_for_subscribers(self, count: int = 1, camera: str = "", since: int = 0) -> None:
        def fits(record: Record) -> bool:
            return record.get("subscribers") == count and record["camera"] == camera

        self.wait_for(f"{count} subscribers of the images", fits, since=since)


class Consumer(Actor):
    """A process that subscribes (``consumer_process``)."""

    def of(self, topic: str, since: int = 0) -> list[Record]:
        """The messages of a topic so far."""
        return [record for record in self.records[since:] if record.get("topic") == topic]

    def wait_for_message(
        self, topic: str, fits: Callable[[Record], bool] = lambda record: True, *, since: int = 0
    ) -> Record:
        return self.wait_for(f"a message on {topic}", lambda r: r.get("topic") == topic and fits(r), since=since)

    def wait_for_messages(self, topic: str, count: int, *, timeout_s: float = TIMEOUT_S) -> list[Record]:
        """The messages of a topic, when there are ``count``."""
        come = itertools.count(1)
        self.wait_for(
            f"message {count} of {topic}",
            lambda record: record.get("topic") == topic and next(come) == count,
            timeout_s=timeout_s,
        )
        return self.of(topic)

    def wait_for_status(
        self, name: str, fits: Callable[[Record], bool] = lambda status: True, *, since: int | None = None
    ) -> Record:
        """The first status on /diagnostics, from now on, whose name ends so and that fits."""
        found: list[Record] = []

        def holds(record: Record) -> bool:
            found[:] = [s for s in record.get("statuses", ()) if s["name"].endswith(name) and fits(s)]
            return bool(found)

        self.wait_for(f"a status of {name!r}", holds, since=len(self.records) if since is None else since)
        return found[0]


class Graph:
    """Starts the processes of one ROS domain. ``within`` goes before every command, such as a network namespace's."""

    def __init__(self, domain: int, within: Sequence[str] = (), **env: str) -> None:
        self.env = {
            **os.environ,
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "OMP_NUM_THREADS": "1",
            **env,
        }
        self._within = list(within)
        self._actors: list[Actor] = []

    def camera(self, **rig: Any) -> Camera:
        return self._started(Camera(self._command("camera_process", rig), self.env))

    def consumer(
        self,
        *topics: str,
        name: str = "consumer",
        keep: Path | None = None,
        ros_args: Sequence[str] = (),
        **policies: Any,
    ) -> Consumer:
        """A consumer of these topics, all with the same QoS policies, and of /diagnostics."""
        wanted = {**dict.fromkeys(topics, policies), "/diagnostics": {}}
        options = {"name": name, "topics": wanted, "keep": keep and str(keep)}
        return self._started(Consumer(self._command("consumer_process", options, ros_args), self.env))

    def node(
        self,
        *,
        delay_s: float = 0.0,
        has_torch: bool = True,
        ros_args: Sequence[str] = (),
        model: str = "plane:z=2.0",
        **parameters: Any,
    ) -> Actor:
        """The depth node; two underscores in a parameter's name stand for a dot."""
        parameters = {"diagnostics_period": DIAGNOSTICS_PERIOD_S, "model": model, **parameters}
        given = [f"{name.replace('__', '.')}:={json.dumps(value)}" for name, value in parameters.items()]
        arguments = ["--ros-args", *(word for text in given for word in ("-p", text)), *ros_args]
        options = {"delay_s": delay_s, "has_torch": has_torch}
        return self._started(Actor(self._command("node_process", options, arguments), self.env))

    def bare_node(self, *arguments: str, **env: str) -> Actor:
        """The depth node as users start it, without remote control; it is not waited for."""
        code = "import sys; from depth_anything_ros.node import main; sys.exit(main())"
        actor = Actor([*self._within, sys.executable, "-c", code, *arguments], {**self.env, **env})
        return self._added(actor)

    def add_env(self, env: Mapping[str, str]) -> None:
        """Take over what ``env`` has otherwise than this process, whose own domain and folders are not the graph's."""
        self.env |= {name: value for name, value in env.items() if os.environ.get(name) != value}

    def close(self) -> None:
        """End every process."""
        for actor in self._actors:
            actor.kill()

    def _command(self, module: str, options: Record, arguments: Sequence[str] = ()) -> list[str]:
        return [*self._within, sys.executable, "-m", f"tests.live.{module}", json.dumps(options), *arguments]

    def _added(self, actor: Any) -> Any:
        self._actors.append(actor)
        actor.others = self._actors
        return actor

    def _started(self, actor: Any) -> Any:
        self._added(actor).wait_for("the start", lambda record: "ready" in record)
        return actor


@contextmanager
def own_graph(within: Sequence[str] = (), **env: str) -> Iterator[Graph]:
    """Yield an empty graph on a domain of its own; nothing of it is left afterwards."""
    domain = _idle_domains.pop() if _idle_domains else unused_domain()
    graph = Graph(domain, within, **env)
    try:
        yield graph
    finally:
        graph.close()
        _idle_domains.append(domain)
