"""Everything that may stand in a site file; editors get it as `site.schema.json`."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from stream.delivery.rotating_files import DEFAULT_RULE
from stream.delivery.spool import DEFAULT_LIMITS, LEAST_BYTES
from stream.ingest.decode_ladder import DecodeWish
from stream.ingest.source_url import parse_source_url
from stream.ingest.video_address import Transport
from stream.sinks.redis_address import parse_redis_address
from stream.site_file.patience import Profile
from stream.site_file.secret import SecretReference

LOOPBACK = "127.0.0.1"
LOOPBACKS = ("127.0.0.1", "::1", "localhost")
"""Where nobody but this machine can ask."""
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
MIB = 1 << 20

Name = Annotated[str, Field(pattern=NAME)]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


def joined_models(models: object) -> object:
    """A list of models as one text, `a+b`; anything else stays as it is.

    Raises:
        ValueError: if a name of a list holds a +.
    """
    if not isinstance(models, list) or not models or not all(isinstance(m, str) for m in models):
        return models
    if any("+" in name for name in models):
        raise ValueError("a + stands between models; write each as an entry of the list")
    return "+".join(models)


Models = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(joined_models),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
            ]
        }
    ),
]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


class LoginSettings(_Part):
    """Who logs in at a camera or server."""

    user: Annotated[str, Field(min_length=1)]
    """Name of the user, as it is (not percent-encoded)."""
    password: SecretReference
    """Where the password is; never the password itself."""


class NamedLogin(LoginSettings):
    """A login that streams may name which are added over the API."""

    name: Name
    """What they call it by."""


class StreamWish(_Part):
    """One stream, but for its login."""

    name: Name
    """What its results, metrics and events are called by."""
    url: Annotated[str, Field(min_length=1, max_length=4096)]
    """rtsp://, rtsps://, http://, https://, a video file (played round and round), or a webcam
    (/dev/video0). A relative path begins at the folder of the site file."""
    transport: Annotated[Transport, Field(strict=False)] = Transport.AUTO
    """How RTSP packets come; auto takes TCP where the camera has it."""
    decode: Annotated[DecodeWish, Field(strict=False)] = DecodeWish.AUTO
    """What decodes it: nvdec is NVIDIA's decoder, and the processor where that fails; auto takes it
    where the machine has such a GPU."""
    profile: Annotated[Profile, Field(strict=False)] = Profile.WIRED
    """How it is connected: decides all limits of time."""
    max_fps: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] | None = None
    """So many frames a second are inferred at most; the rest is skipped."""
    target_age_seconds: Seconds = 0.25
    """A result should not be older than this; decides whose turn it is."""
    model: Models = "bottom_up"
    """Name of a model, or the path of its folder; or a list of several that stand behind one
    another, as in [DETECTOR, TOP_DOWN, REFINER]."""
    paused: bool = False
    """Not read until it is resumed."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if "://" in url:
            parse_source_url(url)
        return url


class StreamSettings(StreamWish):
    """One stream."""

    login: LoginSettings | None = None
    """Login of the camera, if it wants one."""


class JsonlSinkSettings(_Part):
    """Results as lines of JSON, in files of a folder."""

    kind: Literal["jsonl"]
    name: Name = "jsonl"
    """In metrics and events."""
    folder: Annotated[str, Field(min_length=1)]
    """Where the files go; a relative path begins at the folder of the site file."""
    max_bytes: Count = DEFAULT_RULE.max_bytes
    """A file of this size is complete."""
    max_seconds: Seconds = DEFAULT_RULE.max_seconds
    """A file of this age is complete."""
    compress: bool = False
    """Complete files are packed with gzip."""
    keep_files: Count | None = None
    """So many complete files stay; without it, all do."""


class RedisSinkSettings(_Part):
    """Results as entries of Redis streams, one for each stream."""

    kind: Literal["redis"]
    name: Name = "redis"
    """In metrics, events and the spool's folder."""
    url: Annotated[str, Field(min_length=1, max_length=4096)]
    """redis://HOST[:PORT]/DB[?maxlen=N]"""
    login: LoginSettings | None = None
    """Login of the server, if it wants one."""
    spool_max_bytes: Annotated[int, Field(ge=LEAST_BYTES)] = DEFAULT_LIMITS.max_bytes
    """What may wait on disk for each stream while the server is away."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        parse_redis_address(url)
        return url


SinkSettings = Annotated[JsonlSinkSettings | RedisSinkSettings, Field(discriminator="kind")]


class CascadeOptions(_Part):
    """How much is done in which frame where several models stand behind one another."""

    detect_every: Annotated[int, Field(ge=1, le=1000)] = 1
    """Whole frames are searched for people once in so many; between them people are followed."""
    refine_below: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Poses of at most this mean confidence are refined, and those in crowds; 1 is all."""
    refine_budget_seconds: Seconds | None = None
    """So long may refining take for a frame; the surest poses are left when time is short."""


class EngineSettings(_Part):
    """What runs the models."""

    name: Literal["auto", "openvino", "onnxruntime"] = "auto"
    """auto takes the fastest that works here."""
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8", "fp8"] = "auto"
    """auto takes the fastest that agrees with fp32 here."""
    threads: Count | None = None
    """Of the engine; all cores without it."""
    batch: Annotated[int, Field(ge=1, le=64)] = 4
    """So many frames, of any streams, ride together at most."""
    max_wait_seconds: Annotated[float, Field(ge=0, le=1)] = 0.01
    """How long a frame waits for others to ride with."""
    cascade: CascadeOptions = CascadeOptions()
    """For streams with several models."""


class LimitSettings(_Part):
    """What the daemon may take from its machine."""

    streams: Annotated[int, Field(ge=1, le=1000)] = 64
    """More are refused."""
    streams_per_worker: Annotated[int, Field(ge=1, le=64)] = 4
    """So many streams share a decoder process, and its fate."""
    max_pixels: Count = 32_000_000
    """Larger pictures are refused."""
    worker_memory_mb: Annotated[int, Field(ge=64)] = 1024
    """A decoder process with more memory of its own is started anew."""
    engine_memory_mb: Annotated[int, Field(ge=64)] = 8192
    """An engine process with more memory of its own is started anew."""
    worker_silence_seconds: Seconds = 3.0
    """A decoder process that gives no sign for so long is started anew."""
    engine_silence_seconds: Seconds = 10.0
    """An engine that holds a batch for so long is started anew."""
    stale_seconds: Seconds = 2.0
    """A frame that waited so long for its turn is dropped."""


class MetricsSettings(_Part):
    """Where Prometheus may ask."""

    bind: str = LOOPBACK
    """Address to listen at."""
    port: Port
    """0 takes any that is free."""


class TlsSettings(_Part):
    """What an encrypted server shows; both files are read again at every reload."""

    certificate: Annotated[str, Field(min_length=1)]
    """PEM file with the certificate, followed by those that vouch for it; a relative path begins at
    the folder of the site file."""
    key: Annotated[str, Field(min_length=1)]
    """PEM file with its private key, without a password."""


class ApiSettings(_Part):
    """Where programs and people may ask and command."""

    bind: str = LOOPBACK
    """Address to listen at."""
    port: Port = 8080
    """0 takes any that is free."""
    token: SecretReference | None = None
    """Where the bearer token is that requests must carry; there must be one where others than this
    machine can ask."""
    tls: TlsSettings | None = None
    """With it the API and the page are at https://, and at no http:// any more."""
    added_streams: Annotated[str, Field(min_length=1)] | None = None
    """File in which streams are kept that are added while the daemon runs, for its next start; a
    relative path begins at the folder of the site file. It holds no secret: of streams with a
    password of their own, nothing is kept."""
    logins: Annotated[tuple[NamedLogin, ...], Field(strict=False)] = ()
    """Logins for added streams, which name one instead of sending a password. Whoever may add
    streams can have them sent to any host."""

    @field_validator("logins")
    @classmethod
    def _have_names_of_their_own(cls, logins: tuple[NamedLogin, ...]) -> tuple[NamedLogin, ...]:
        names = [login.name for login in logins]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]!r} stands twice; give each login a name of its own")
        return logins


class Site(_Part):
    """What a daemon of posestream is to do."""

    streams: Annotated[tuple[StreamSettings, ...], Field(strict=False)] = ()
    """What is read."""
    sinks: Annotated[tuple[SinkSettings, ...], Field(min_length=1, strict=False)]
    """Where results go; each gets all of them."""
    spool_folder: str = "spool"
    """Results wait here while a Redis server is away; a relative path begins at the folder of the
    site file."""
    engine: EngineSettings = EngineSettings()
    limits: LimitSettings = LimitSettings()
    metrics: MetricsSettings | None = None
    api: ApiSettings | None = None


def site_schema() -> dict[str, Any]:
    """The JSON Schema of a site file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "posestream site",
        **Site.model_json_schema(),
    }


def within(folder: Path, path: str) -> Path:
    """A path of a site file whose folder is `folder`."""
    return folder / Path(path).expanduser()
