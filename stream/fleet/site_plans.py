"""From a site file to what fleet and sinks are to do; secrets are looked up here."""

import re
from dataclasses import replace
from pathlib import Path

from stream.delivery.open_delivery import JsonlPlan, RedisPlan, SinkPlan
from stream.delivery.rotating_files import RotationRule
from stream.delivery.spool import SpoolLimits
from stream.fleet.decoder_pool import PoolPlan
from stream.fleet.engine_desk import EnginePlan
from stream.fleet.stream_plan import StreamPlan
from stream.fleet.supervised_process import ProcessPlan
from stream.ingest.source_url import parse_source_url
from stream.ingest.video_address import (
    VideoAddress,
    file_address,
    url_address,
    webcam_address,
)
from stream.sinks.redis_address import parse_redis_address
from stream.site_file.patience import PATIENCE
from stream.site_file.site_model import (
    MIB,
    LimitSettings,
    SinkSettings,
    Site,
    StreamSettings,
    StreamWish,
    within,
)

DECODER_MODULE = "stream.fleet.decoder_process"
_WEBCAM = re.compile(r"/dev/video\d{1,3}")


def stream_plans(site: Site, folder: Path) -> list[StreamPlan]:
    """What to read; relative paths begin at `folder`, that of the site file.

    Raises:
        ConfigError: if a secret is not there.
    """
    return [stream_plan(stream, _address(stream, folder), site.limits) for stream in site.streams]


def stream_plan(stream: StreamWish, address: VideoAddress, limits: LimitSettings) -> StreamPlan:
    """What to read, from an address that holds its login."""
    return StreamPlan(
        name=stream.name,
        address=address,
        patience=PATIENCE[stream.profile],
        model=stream.model,
        max_pixels=limits.max_pixels,
        decode=stream.decode,
        max_fps=stream.max_fps,
        target_age_seconds=stream.target_age_seconds,
        paused=stream.paused,
    )


def sink_plans(site: Site, folder: Path) -> list[SinkPlan]:
    """Where results go.

    Raises:
        ConfigError: if a secret is not there.
    """
    return [_sink(sink, folder) for sink in site.sinks]


def pool_plan(site: Site) -> PoolPlan:
    """How decoders are started and watched."""
    limits = site.limits
    return PoolPlan(
        ProcessPlan(DECODER_MODULE),
        limits.streams_per_worker,
        limits.worker_silence_seconds,
        limits.worker_memory_mb * MIB,
    )


def engine_plan(site: Site, process: ProcessPlan) -> EnginePlan:
    """How the engine is started, fed and watched."""
    return EnginePlan(
        process,
        batch=site.engine.batch,
        max_wait_seconds=site.engine.max_wait_seconds,
        stale_seconds=site.limits.stale_seconds,
        silence_seconds=site.limits.engine_silence_seconds,
        memory_bytes=site.limits.engine_memory_mb * MIB,
    )


def _address(stream: StreamSettings, folder: Path) -> VideoAddress:
    if "://" not in stream.url:
        if _WEBCAM.fullmatch(stream.url):
            return webcam_address(Path(stream.url))
        return file_address(within(folder, stream.url))
    url = parse_source_url(stream.url)
    if stream.login is not None:
        url = replace(url, user=stream.login.user, password=stream.login.password.read(folder))
    return url_address(url, stream.transport)


def _sink(sink: SinkSettings, folder: Path) -> SinkPlan:
    if sink.kind == "jsonl":
        rule = RotationRule(sink.max_bytes, sink.max_seconds, sink.compress, sink.keep_files)
        return JsonlPlan(sink.name, within(folder, sink.folder), rule)
    address = parse_redis_address(sink.url)
    if sink.login is not None:
        password = sink.login.password.read(folder)
        address = replace(address, username=sink.login.user, password=password)
    return RedisPlan(sink.name, address, SpoolLimits(max_bytes=sink.spool_max_bytes))
