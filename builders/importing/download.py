"""Fetches a file over HTTP: goes on where it was cut, verifies the hash, then names the file."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builders.importing.file_hash import sha256_of
from stream.errors import ArtefactError

Progress = Callable[[int, int | None], None]
"""Called with bytes so far and bytes in all, None if the server does not say."""

BLOCK_BYTES = 1 << 18
OK, PARTIAL, OUT_OF_RANGE = 200, 206, 416


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How patient to be."""

    timeout_seconds: float = 30.0
    """Of connecting, and of every silence."""
    attempts: int = 5
    """In a row without a single new byte."""


class _CutOffError(Exception):
    """The connection ended before the file did."""


@dataclass(frozen=True, slots=True)
class _Answer:
    response: http.client.HTTPResponse
    start: int
    """Byte of the file at which the answer begins."""
    total: int | None


def fetch(
    url: str, sha256_prefix: str, path: Path, progress: Progress, settings: FetchSettings
) -> str:
    """Fetches a file to `path`; until it is whole and verified it is called `NAME.partial`.

    Args:
        url: http or https.
        sha256_prefix: how the file's sha256 must begin, hex.
        path: where to; a file there that has the hash is kept as it is.
        progress: told how far it is.
        settings: time limits.

    Returns:
        The file's sha256.

    Raises:
        ArtefactError: if the server cannot be reached or has no such file, the hash is another, or
            the disk refuses; what was fetched so far is kept for the next call where it is of use.
    """
    if path.exists():
        return _verified_there(path, sha256_prefix)
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        resumed = partial.is_file() and partial.stat().st_size > 0
        _fetch_rest(url, partial, progress, settings)
        found = sha256_of(partial)
        if not found.startswith(sha256_prefix) and resumed:
            partial.unlink()  # the older part was of another file
            _fetch_rest(url, partial, progress, settings)
            found = sha256_of(partial)
        if not found.startswith(sha256_prefix):
            partial.unlink()
            raise _wrong_hash(url, found, sha256_prefix, "; it was deleted")
        partial.replace(path)
    except OSError as error:
        raise ArtefactError(f"cannot write {path}: {error.strerror or error}") from error
    return found


def _verified_there(path: Path, sha256_prefix: str) -> str:
    found = sha256_of(path)
    if not found.startswith(sha256_prefix):
        raise _wrong_hash(str(path), found, sha256_prefix, "; move it away to fetch it again")
    return found


def _wrong_hash(what: str, found: str, wanted: str, remedy: str) -> ArtefactError:
    return ArtefactError(
        f"{what}: its sha256 begins with {found[: len(wanted)]}, expected {wanted}: it is another "
        f"file, or was altered on the way{remedy}"
    )


def _fetch_rest(url: str, partial: Path, progress: Progress, settings: FetchSettings) -> None:
    """Fetches what is missing, again and again while the connection is cut but some bytes come."""
    fruitless = 0
    while True:
        before = partial.stat().st_size if partial.exists() else 0
        try:
            _fetch_once(url, partial, progress, settings)
        except _CutOffError as error:
            after = partial.stat().st_size if partial.exists() else 0
            fruitless = fruitless + 1 if after <= before else 0
            if fruitless == settings.attempts:
                raise ArtefactError(
                    f"{url}: the connection was cut {fruitless} times in a row ({error}); "
                    f"{after} bytes are kept, call again to go on from there"
                ) from error
        else:
            return


def _fetch_once(url: str, partial: Path, progress: Progress, settings: FetchSettings) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    answer = _ask(url, have, settings)
    if answer is None:
        return  # nothing is missing; the hash will tell
    with answer.response, partial.open("r+b" if answer.start else "wb") as file:
        file.seek(answer.start)
        done = answer.start
        progress(done, answer.total)
        while block := _read(answer.response):
            file.write(block)
            done += len(block)
            progress(done, answer.total)
    if answer.total is not None and done < answer.total:
        raise _CutOffError(f"after {done} of {answer.total} bytes")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(BLOCK_BYTES)
    except (http.client.HTTPException, OSError) as error:
        raise _CutOffError(str(error) or type(error).__name__) from error


def _ask(url: str, have: int, settings: FetchSettings) -> _Answer | None:
    """Asks for the file from byte `have` on; None if there is nothing after it."""
    headers = {"User-Agent": "posestream", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own table's addresses
    try:
        response = urllib.request.urlopen(request, timeout=settings.timeout_seconds)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == OUT_OF_RANGE and have:
            return None
        raise ArtefactError(_refused(url, error)) from error
    except urllib.error.URLError as error:
        raise ArtefactError(
            f"cannot reach {url}: {error.reason}; posestream needs the network for this alone: "
            "fetch the file elsewhere and give it to posestream models import"
        ) from error
    except (http.client.HTTPException, OSError) as error:
        raise _CutOffError(str(error) or type(error).__name__) from error
    start = have if response.status == PARTIAL else 0
    length = response.headers.get("Content-Length")
    return _Answer(response, start, start + int(length) if length else None)


def _refused(url: str, error: urllib.error.HTTPError) -> str:
    text = f"{url}: the server answers {error.code} {error.reason}"
    if error.code in (404, 410):
        return f"{text}: the file has moved; look for its name where it was published"
    return f"{text}; try again later"
