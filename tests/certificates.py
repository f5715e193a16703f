"""Certificates that vouch for themselves, made by the command openssl."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import missing


@dataclass(frozen=True)
class Certificate:
    """Two PEM files."""

    certificate: Path
    key: Path

    @property
    def wish(self) -> dict[str, str]:
        """As a site file names it that lies in the same folder."""
        return {"certificate": self.certificate.name, "key": self.key.name}


def make_certificate(folder: Path, name: str = "tls", password: str | None = None) -> Certificate:
    """Of this machine, for a day; the key is encrypted if there is a password."""
    program = shutil.which("openssl")
    if program is None:
        missing("no command openssl; install the package openssl")
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    secrecy = ["-nodes"] if password is None else ["-passout", f"pass:{password}"]
    words = [
        *(
            "req",
            "-x509",
            "-days",
            "1",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ),
        *("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        *("-keyout", str(made.key), "-out", str(made.certificate), *secrecy),
    ]
    subprocess.run([str(program), *words], check=True, capture_output=True)
    return made
