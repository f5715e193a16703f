"""The API and the page over TLS, with certificates that are made here."""

import signal
import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from engines.artefact import Artefact
from stream.errors import ConfigError
from stream.site_file.read_site import missing_secrets, parse_site
from stream.site_file.site_model import TlsSettings
from stream.site_file.tls_files import server_context
from tests.certificates import Certificate, make_certificate
from tests.chromium import WAIT_MS, Complaints, chromium
from tests.command_line import posestream
from tests.running_api import client_of
from tests.running_daemon import running_daemon, write_site

TOKEN = "a-token-of-some-length-0123456789"  # noqa: S105 - of this test


@pytest.fixture
def made(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


def shown_by(address: str, trusted: Path) -> dict[str, Any]:
    """The certificate that a server shows, as one that is trusted."""
    parts = urlsplit(address)
    context = ssl.create_default_context(cafile=trusted)
    with (
        socket.create_connection((parts.hostname, parts.port), 20) as line,
        context.wrap_socket(line, server_hostname=parts.hostname) as secret,
    ):
        assert secret.version() in ("TLSv1.2", "TLSv1.3")
        return dict(secret.getpeercert() or {})


@pytest.mark.slow
def test_the_api_and_the_page_work_over_tls_and_certificates_are_renewed(
    walk: Path, tiny_artefact: Artefact, tmp_path: Path, made: Certificate
) -> None:
    (tmp_path / "token").write_text(TOKEN, "utf-8")
    streams = [{"name": "cam", "url": str(walk), "model": str(tiny_artefact.folder), "max_fps": 5}]
    wish = {"port": 0, "token": {"file": "token"}, "tls": made.wish}
    with running_daemon(write_site(tmp_path, streams, api=wish)) as daemon:
        api = client_of(daemon, TOKEN, made.certificate)
        assert api.address.startswith("https://")
        assert api.ask("POST", "/streams/cam/pause").json["paused"]
        assert api.ask("POST", "/streams/cam/resume").status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            client_of(daemon, TOKEN, make_certificate(tmp_path, "stranger").certificate)
        parts = urlsplit(api.address)
        with socket.create_connection((parts.hostname, parts.port), 20) as line:
            line.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" not in line.recv(1000), "nothing is told without encryption"
        with chromium() as browser:
            page = browser.new_page(ignore_https_errors=True)
            page.set_default_timeout(WAIT_MS)
            complaints = Complaints(page)
            page.goto(api.address)
            page.locator("input[name=token]").fill(TOKEN)
            page.locator("input[name=token]").press("Enter")
            page.wait_for_selector('.tile[data-stream="cam"][data-state="live"] img[data-shown]')
            # Chromium tells of the first answer: the token is missing.
            assert [text for text in complaints.all if "401" not in text] == []
        renewed = make_certificate(tmp_path, "renewed")
        for old, new in ((made.certificate, renewed.certificate), (made.key, renewed.key)):
            new.rename(old)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for_log("site_reloaded")
        assert shown_by(api.address, made.certificate)["subject"] == ((("commonName", "renewed"),),)
        made.key.write_text("none", "utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for_log("certificate_refused")
        assert shown_by(api.address, made.certificate)["subject"] == ((("commonName", "renewed"),),)
        assert daemon.stop() == 0
    assert "Traceback" not in daemon.log
    assert "api_unencrypted" not in daemon.log


def test_a_key_with_a_password_is_refused_without_asking_for_it(tmp_path: Path) -> None:
    locked = make_certificate(tmp_path, password="a password")  # noqa: S106 - of this test
    with pytest.raises(ConfigError, match="the key without a password"):
        server_context(TlsSettings(**locked.wish), tmp_path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "api.tls.key: tls.key: No such file"),
        ({"tls.key": "none"}, "api.tls: tls.pem and tls.key: no certificate and its key"),
        ({"tls.key": None}, "api.tls.key: tls.key: Is a directory"),
    ],
)
def test_files_that_hold_no_certificate_are_named(
    tmp_path: Path,
    made: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str | None],
    words: str,
) -> None:
    made.key.unlink()
    for name, text in files.items():
        (tmp_path / name).mkdir() if text is None else (tmp_path / name).write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    text = "sinks: [{kind: jsonl, folder: x}]\napi: {tls: {certificate: tls.pem, key: tls.key}}"
    (told,) = missing_secrets(parse_site(text, "site.yaml"), Path())
    assert told.startswith(words)


def test_keys_of_another_certificate_are_refused(tmp_path: Path, made: Certificate) -> None:
    other = make_certificate(tmp_path, "other")
    wish = TlsSettings(certificate=made.certificate.name, key=other.key.name)
    with pytest.raises(ConfigError, match="KEY_VALUES_MISMATCH"):
        server_context(wish, tmp_path)


@pytest.mark.slow
def test_a_daemon_without_its_certificate_does_not_start(tmp_path: Path) -> None:
    wish = {"port": 0, "tls": {"certificate": "none.pem", "key": "none.key"}}
    site = write_site(tmp_path, [], api=wish)
    done = posestream("serve", "-c", site, cwd=tmp_path)
    assert done.returncode == 2
    assert "api.tls.certificate" in done.stderr
