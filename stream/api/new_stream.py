"""A stream that somebody adds over the API."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from stream.api.problem import FieldError, ProblemError, ProblemKind
from stream.fleet.site_plans import stream_plan
from stream.fleet.stream_plan import StreamPlan
from stream.ingest.source_url import NETWORK_SCHEMES, SourceUrl, parse_source_url, shown_url
from stream.ingest.video_address import url_address
from stream.site_file.read_site import ModelCheck
from stream.site_file.site_model import Name, Site, StreamWish

Word = Annotated[str, Field(min_length=1, max_length=512)]


class NewLogin(BaseModel):
    """Who logs in at a camera; never told again."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    user: Word
    """As it is (not percent-encoded)."""
    password: Annotated[SecretStr, Field(max_length=512)]
    """As it is. Kept in memory only."""


class NetworkStream(StreamWish):
    """A stream as in a site file, but read from the network only; it holds no password."""

    login_name: Name | None = None
    """Which of the site file's api.logins the camera wants."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        scheme, mark, _ = url.partition("://")
        if not mark or scheme.lower() not in NETWORK_SCHEMES:
            schemes = ", ".join(f"{scheme}://" for scheme in NETWORK_SCHEMES)
            raise ValueError(f"expected one of {schemes}; files and webcams are for the site file")
        parse_source_url(url)
        return url


class NewStream(NetworkStream):
    """A stream to add: as in a site file, but read from the network only, and with its password."""

    login: NewLogin | None = None
    """Login of the camera, if it wants one."""

    @property
    def has_secret(self) -> bool:
        """Whether a password is in it, or may be: then it is kept in memory only."""
        return self.login is not None or shown_url(self.url) != self.url


def new_plan(wish: NetworkStream, site: Site, folder: Path, check_model: ModelCheck) -> StreamPlan:
    """What the fleet is to do.

    Args:
        wish: the stream.
        site: whose limits and logins hold.
        folder: of the site file.
        check_model: asked about the model.

    Raises:
        ProblemError: if fields do not fit together, or the model cannot be run.
        ConfigError: if the password of a login of the site file is not there.
    """
    _refuse_unknown_model(wish.model, site, check_model)
    url = parse_source_url(wish.url)
    if wish.login_name is not None:
        url = _with_login(url, *_named_login(wish.login_name, site, folder), "login_name")
    if isinstance(wish, NewStream) and wish.login is not None:
        url = _with_login(url, wish.login.user, wish.login.password.get_secret_value(), "login")
    plan = stream_plan(wish, url_address(url, wish.transport), site.limits)
    return replace(plan, is_extra=True)


def _with_login(url: SourceUrl, user: str, password: str, field: str) -> SourceUrl:
    if url.user or url.password:
        raise _wrong(field, "a login is for an address without one; leave one of both out")
    return replace(url, user=user, password=password)


def _named_login(name: str, site: Site, folder: Path) -> tuple[str, str]:
    logins = {login.name: login for login in site.api.logins} if site.api else {}
    if name not in logins:
        there = ", ".join(logins) or "none"
        raise _wrong("login_name", f"got {name!r}, which api.logins does not have; it has: {there}")
    return logins[name].user, logins[name].password.read(folder)


def _refuse_unknown_model(model: str, site: Site, check_model: ModelCheck) -> None:
    if model in {stream.model for stream in site.streams}:
        return
    # A folder would let whoever may add streams have any file of this machine opened.
    if not all(_is_a_name(part) for part in model.split("+")):
        raise _wrong("model", "expected the name of a model, or what a stream of the site file has")
    try:
        wrong = check_model(model)
    except (OSError, ValueError):
        wrong = "expected the name of a model"
    if wrong:
        raise _wrong("model", wrong)


def _is_a_name(model: str) -> bool:
    return model.replace("_", "").replace("-", "").isalnum()


def _wrong(field: str, problem: str) -> ProblemError:
    error = FieldError(field=field, problem=problem)
    return ProblemError(ProblemKind.WRONG_VALUE, f"{field}: {problem}", [error])
