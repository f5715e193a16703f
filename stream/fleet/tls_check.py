"""Tells a host that cannot be reached from one whose encryption fails."""

import socket
import ssl

from stream.errors import ConfigError
from stream.ingest.source_url import parse_source_url

DEFAULT_PORTS = {"rtsps": 322, "https": 443}
CHECK_SECONDS = 2.0


def speaks_tls(address: str) -> bool | None:
    """Whether the host of an encrypted address can be talked to in TLS.

    Returns:
        None if the address is not encrypted, or nobody listens there at all.
    """
    try:
        url = parse_source_url(address)
    except ConfigError:
        return None
    if url.scheme not in DEFAULT_PORTS:
        return None
    port = url.port or DEFAULT_PORTS[url.scheme]
    try:
        with socket.create_connection((url.host.strip("[]"), port), CHECK_SECONDS) as plain:
            return _shakes_hands(plain, url.host)
    except OSError:
        return None


def _shakes_hands(plain: socket.socket, host: str) -> bool:
    context = ssl.create_default_context()
    # As FFmpeg does: cameras sign their certificates themselves.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with context.wrap_socket(plain, server_hostname=host):
            return True
    except OSError:
        return False
