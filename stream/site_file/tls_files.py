"""Certificate and key of an encrypted server."""

import ssl
from pathlib import Path

from stream.errors import ConfigError
from stream.site_file.site_model import TlsSettings, within


def server_context(wish: TlsSettings, folder: Path) -> ssl.SSLContext:
    """What a server encrypts with; relative paths begin at `folder`.

    Raises:
        ConfigError: if the files do not hold a certificate and its key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_certificate(context, wish, folder)
    return context


def load_certificate(context: ssl.SSLContext, wish: TlsSettings, folder: Path) -> None:
    """Reads the files for the connections from now on.

    Raises:
        ConfigError: if they do not hold a certificate and its key; nothing is changed then.
    """
    paths = {field: within(folder, getattr(wish, field)) for field in ("certificate", "key")}
    for field, path in paths.items():
        _check_readable(f"api.tls.{field}", path)
    try:
        # The key might want a password: without one at hand, OpenSSL would ask at the terminal.
        context.load_cert_chain(paths["certificate"], paths["key"], password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise ConfigError(
            f"api.tls: {paths['certificate']} and {paths['key']}: no certificate and its key "
            f"({reason}); expected both in PEM, the key without a password"
        ) from None


def _check_readable(field: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no name of a file"
        raise ConfigError(f"{field}: {path}: {reason}; give the path of a readable file") from None
