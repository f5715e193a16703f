"""A stream that somebody adds over the API."""

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from stream.api.problem import FieldError, ProblemError, ProblemKind
from stream.fleet.site_plans import stream_plan
from stream.fleet.stream_plan import StreamPlan
from stream.ingest.source_url import NETWORK_SCHEMES, SourceUrl, parse_source_url
from stream.ingest.video_address import url_address
from stream.site_file.read_site import ModelCheck
from stream.site_file.site_model import Site, StreamWish

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


class NewStream(StreamWish):
    """A stream to add: as in a site file, but read from the network only, and with its password."""

    login: NewLogin | None = None
    """Login of the camera, if it wants one."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        scheme, mark, _ = url.partition("://")
        if not mark or scheme.lower() not in NETWORK_SCHEMES:
            schemes = ", ".join(f"{scheme}://" for scheme in NETWORK_SCHEMES)
            raise ValueError(f"expected one of {schemes}; files and webcams are for the site file")
        parse_source_url(url)
        return url


def new_plan(wish: NewStream, site: Site, check_model: ModelCheck) -> StreamPlan:
    """What the fleet is to do.

    Raises:
        ProblemError: if fields do not fit together, or the model cannot be run.
    """
    _refuse_unknown_model(wish.model, site, check_model)
    url = parse_source_url(wish.url)
    if wish.login is not None:
        url = _with_login(url, wish.login)
    plan = stream_plan(wish, url_address(url, wish.transport), site.limits)
    return replace(plan, is_extra=True)


def _with_login(url: SourceUrl, login: NewLogin) -> SourceUrl:
    if url.user or url.password:
        raise _wrong("login", "a login is for an address without one; leave one of both out")
    return replace(url, user=login.user, password=login.password.get_secret_value())


def _refuse_unknown_model(model: str, site: Site, check_model: ModelCheck) -> None:
    if model in {stream.model for stream in site.streams}:
        return
    # A folder would let whoever may add streams have any file of this machine opened.
    if not model.replace("_", "").replace("-", "").isalnum():
        raise _wrong("model", "expected the name of a model, or what a stream of the site file has")
    try:
        wrong = check_model(model)
    except (OSError, ValueError):
        wrong = "expected the name of a model"
    if wrong:
        raise _wrong("model", wrong)


def _wrong(field: str, problem: str) -> ProblemError:
    error = FieldError(field=field, problem=problem)
    return ProblemError(ProblemKind.WRONG_VALUE, f"{field}: {problem}", [error])
