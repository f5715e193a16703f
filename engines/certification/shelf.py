"""Where certificates lie: with the models that ship, and in the user's store."""

import logging
import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from engines.artefact import Artefact
from engines.certification.certificate import (
    Certificate,
    CertificateKey,
    certificate_text,
    read_certificate,
)
from stream.errors import ArtefactError

log = logging.getLogger(__name__)

FOLDER_NAME = "certificates"


class CertificateShelf:
    """Finds and keeps certificates.

    Args:
        store_root: of the engine store; None keeps nothing.
    """

    def __init__(self, store_root: Path | None) -> None:
        self._root = store_root

    def find(self, artefact: Artefact, key: CertificateKey) -> Certificate | None:
        """The user's own certificate, else the model's; None if there is none that fits.

        One that cannot be read, or is about something else, counts as none and is logged.
        """
        own = self._own_folder(key)
        for folder in (own, artefact.folder / FOLDER_NAME):
            found = _read(folder / key.file_name, key) if folder else None
            if found is not None and found.limits == artefact.manifest.agreement_limits:
                return found
        return None

    def keep(self, certificate: Certificate) -> Path | None:
        """Writes a certificate into the store; None if there is no store or it takes nothing.

        A store that cannot be written is logged and costs only that it is measured again.
        """
        folder = self._own_folder(certificate.key)
        if folder is None:
            return None
        try:
            return write_certificate(certificate, folder)
        except OSError as error:
            extra = {"folder": str(folder), "reason": str(error)}
            log.warning("certificate_not_kept", extra=extra)
            return None

    def _own_folder(self, key: CertificateKey) -> Path | None:
        return self._root / FOLDER_NAME / key.onnx_sha256 if self._root else None


def write_certificate(certificate: Certificate, folder: Path) -> Path:
    """Writes a certificate under its name, whole or not at all.

    Raises:
        OSError: if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / certificate.key.file_name
    with NamedTemporaryFile(
        "w", encoding="utf-8", dir=folder, prefix=".draft-", delete=False
    ) as draft:
        draft.write(certificate_text(certificate))
        draft.flush()
        os.fsync(draft.fileno())
    Path(draft.name).chmod(0o644)
    return Path(draft.name).replace(path)


def _read(path: Path, key: CertificateKey) -> Certificate | None:
    try:
        found = read_certificate(path)
    except FileNotFoundError:
        return None
    except ArtefactError as error:
        log.warning("certificate_unreadable", extra={"reason": str(error)})
        return None
    return found if found.key == key else None
