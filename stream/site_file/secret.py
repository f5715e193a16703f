"""Secrets that a site file names but does not hold."""

import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from stream.errors import ConfigError

MAX_BYTES = 4096
"""A secret is a line, not a book."""


class SecretReference(BaseModel):
    """Where a secret is: an environment variable or a file, one of both."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    env: str | None = None
    """Name of an environment variable."""
    file: str | None = None
    """Path of a file that holds the secret in its first line."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("expected either env: NAME or file: PATH")
        return self

    def read(self, folder: Path) -> str:
        """The secret itself; a relative path begins at `folder`.

        Raises:
            ConfigError: if it is not there or empty; the message never shows it.
        """
        found = self._from_environment() if self.env is not None else self._from_file(folder)
        if not found:
            raise ConfigError(f"{self}: it is empty; put the secret there")
        return found

    def __str__(self) -> str:
        return f"environment variable {self.env}" if self.env is not None else f"secret {self.file}"

    def _from_environment(self) -> str:
        try:
            return os.environ[self.env or ""]
        except KeyError:
            raise ConfigError(f"{self}: it is not set; set it before the start") from None

    def _from_file(self, folder: Path) -> str:
        try:
            with (folder / (self.file or "")).open("rb") as file:
                content = file.read(MAX_BYTES)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no name of a file"
            raise ConfigError(f"{self}: {reason}; give the path of a readable file") from None
        try:
            lines = content.decode("utf-8").splitlines()
        except UnicodeDecodeError:
            raise ConfigError(f"{self}: it is no text in UTF-8; write it anew") from None
        return lines[0] if lines else ""
