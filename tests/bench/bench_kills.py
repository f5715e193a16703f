"""Kill -9 of every process of a daemon, again and again; Redis away, killed, replaced.

    python -m tests.bench.bench_kills [--kills 50] [--away 30] [--seed 1] [--out FILE.json]

Two simulated cameras at 25 frames a second, the tiny model, and a Redis server that keeps what it
confirmed (appendfsync always). Nothing limits the rate, so every decoded frame has a result, and
what is missing within an epoch is lost. Decoder, engine, supervisor and server take turns to be
killed at random moments, while results come in; each time they must flow again. Then the server
is stopped (SIGSTOP) for `--away` seconds, and replaced by an empty one. Exit code 1 if a result is
lost, doubled or out of order, or a ledger does not balance.
"""

import argparse
import os
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from stream.wire import ResultLine
from stream.wire_gap import decode_delivered
from tests.bench.report import Figure, write_report
from tests.bench.result_order import FrameName, found_in
from tests.command_line import running
from tests.drawn_clips import write_drawn_clip
from tests.redis_server import RedisServer, server_program
from tests.running_daemon import RunningDaemon, running_daemon, write_site
from tests.tiny_model import write_tiny_artefact

STREAMS = ("cam0", "cam1")
TARGETS = ("decoder", "engine", "supervisor", "server")
MODULES = {"decoder": "decoder_process", "engine": "engine_worker"}
MOST_IN_FLIGHT = 6
"""Pictures of a stream for which there is memory."""


class Storm:
    """A daemon, its server, and what is done to them."""

    def __init__(self, site: Path, folder: Path, seed: int) -> None:
        program = server_program()
        assert program is not None, "no Redis server"
        self._program, self._folder = program, folder
        self._servers = 0
        self.server = self._new_server()
        self._site = site
        self._dice = random.Random(seed)  # noqa: S311 - when and what is killed
        self._pause = Event()
        self._close = ExitStack()
        self.daemon: RunningDaemon
        self.worst_in_flight = 0

    def begin(self) -> None:
        """Starts the daemon, and returns when results flow."""
        self.daemon = self._close.enter_context(running_daemon(self._site))
        self.wait_for_results()

    def wait_for_results(self, more: int = 3) -> None:
        """Until every stream has so many more results of people in the server."""
        for stream in STREAMS:
            before = self._last_id(stream)

            def has_come(stream: str = stream, before: bytes = before) -> bool:
                with self.server.client() as client:
                    later: Any = client.xrange(f"posestream:{stream}", min=b"(" + before)
                return (
                    sum(b'"inferred"' in fields.get(b"result", b"") for _, fields in later) > more
                )

            self.daemon.wait(has_come, f"results of {stream}")

    def strike(self, target: str) -> None:
        """Kills one, at a moment that the dice choose."""
        self._pause.wait(self._dice.uniform(0.0, 1.0))
        self.look()
        if target == "server":
            self.server.kill()
            self._pause.wait(self._dice.uniform(0.0, 1.0))
            self.server.start()
        elif target == "supervisor":
            self.daemon.process.kill()
            self._close.close()
            self.begin()
            return
        else:
            os.kill(self._dice.choice(self._pids(MODULES[target])), signal.SIGKILL)
        self.wait_for_results()

    def stop_server(self, seconds: float) -> None:
        """It hangs for a while."""
        self.server.freeze()
        self._pause.wait(seconds)
        self.server.thaw()
        self.wait_for_results()

    def replace_server(self) -> dict[str, list[FrameName]]:
        """Another one, empty, takes its port; what the old one had is returned."""
        port = self.server.port
        self.server.kill()
        # What it had kept is read aside, where the daemon does not find it.
        folder = self._folder / f"redis{self._servers - 1}"
        self.server = RedisServer(self._program, folder=folder)
        had = {stream: self.names(stream) for stream in STREAMS}
        self.server.kill()
        self.server = self._new_server(port)
        self.wait_for_results()
        return had

    def end(self) -> int:
        """Stops the daemon when nothing waits for the server any more; the exit code."""
        self.daemon.wait(self._nothing_waits, "an empty spool")
        self.look()
        code = self.daemon.stop()
        self._close.close()
        return code

    def _nothing_waits(self) -> bool:
        return total(self.daemon.metrics(), "posestream_spool_bytes") == 0

    def look(self) -> None:
        """Reads the ledgers."""
        scraped = self.daemon.metrics()
        for stream in STREAMS:
            read, settled = (
                total(scraped, f"posestream_stream_{name}_total", stream=stream)
                for name in ("frames_read", "frames")
            )
            assert read >= settled, f"ledger of {stream}: {read} read, {settled} settled"
            self.worst_in_flight = max(self.worst_in_flight, int(read - settled))

    def names(self, stream: str) -> list[FrameName]:
        """Epoch and frame of each result in the server; a gap record ends the program."""
        found = []
        for _, fields in self.server.entries(stream):
            [text] = fields.values()
            line = decode_delivered(text)
            assert isinstance(line, ResultLine), f"{stream}: {text}"
            found.append((line.epoch, line.frame))
        return found

    def _new_server(self, port: int | None = None) -> RedisServer:
        folder = self._folder / f"redis{self._servers}"
        self._servers += 1
        folder.mkdir()
        return RedisServer(self._program, folder=folder, port=port)

    def _last_id(self, stream: str) -> bytes:
        with self.server.client() as client:
            found: Any = client.xrevrange(f"posestream:{stream}", count=1)
        return bytes(found[0][0]) if found else b"0-0"

    def _pids(self, module: str) -> list[int]:
        titles = {pid: Path(f"/proc/{pid}/cmdline") for pid in self.daemon.children()}
        return [pid for pid, title in titles.items() if module in title.read_text("utf-8")]


def total(scraped: str, name: str, **labels: str) -> float:
    """Sum over all series with those labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(scraped)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@contextmanager
def storm_over(folder: Path, seed: int) -> Iterator[Storm]:
    """Cameras, server and daemon."""
    clip = write_drawn_clip(folder / "walk.mp4", 250)
    model = write_tiny_artefact(folder / "models" / "tiny")
    with running("camera", clip, clip, "--port", "0", cwd=folder) as camera:
        assert camera.stdout is not None
        urls = [camera.stdout.readline().strip() for _ in STREAMS]
        storm = Storm(folder / "site.yaml", folder, seed)
        streams = [
            {"name": name, "url": url, "model": str(model.folder)}
            for name, url in zip(STREAMS, urls, strict=True)
        ]
        sink = {"kind": "redis", "url": storm.server.location(maxlen=1_000_000)}
        write_site(folder, streams, sinks=[sink], limits={"streams_per_worker": 1})
        try:
            storm.begin()
            yield storm
        finally:
            storm.server.kill()


def measure(storm: Storm, arguments: argparse.Namespace) -> dict[str, Any]:
    """Every kill and outage, and what the reader found."""
    kills = dict.fromkeys(TARGETS, 0)
    for number in range(arguments.kills):
        target = TARGETS[number % len(TARGETS)]
        storm.strike(target)
        kills[target] += 1
    storm.stop_server(arguments.away)
    before = storm.replace_server()
    code = storm.end()
    return {
        "kills": kills,
        "server_stopped_seconds": arguments.away,
        "server_replaced": 1,
        "exit_code": code,
        "worst_in_flight": storm.worst_in_flight,
        "first_server": {name: found_in(names).as_json() for name, names in before.items()},
        "second_server": {name: found_in(storm.names(name)).as_json() for name in STREAMS},
        # What the first one kept without being able to confirm it, the second one has, too.
        "both": {
            name: found_in(sorted({*before[name], *storm.names(name)})).as_json()
            for name in STREAMS
        },
    }


def main() -> None:
    """Storms, looks, writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--away", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    load_before = round(os.getloadavg()[0], 2)
    with TemporaryDirectory() as folder, storm_over(Path(folder), arguments.seed) as storm:
        found = measure(storm, arguments)
    totals = {"missing": sum(one["missing"] for one in found["both"].values())}
    servers = [*found["first_server"].values(), *found["second_server"].values()]
    for fault in ("doubled", "out_of_order"):
        totals[fault] = sum(one[fault] for one in servers)
    storms = f"{arguments.kills} kills -9, Redis stopped {arguments.away:g} s and replaced"
    figures = [
        Figure(f"{storms}: results {fault.replace('_', ' ')}", count, "")
        for fault, count in totals.items()
    ]
    write_report("kills", figures, {**found, "load_average_before": load_before}, arguments.out)
    is_balanced = found["worst_in_flight"] <= MOST_IN_FLIGHT
    sys.exit(1 if any(totals.values()) or not is_balanced else 0)


if __name__ == "__main__":
    main()
