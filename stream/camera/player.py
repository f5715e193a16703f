"""Sends the moments of a feed when they are due."""

import asyncio
import logging

from stream.camera.carrier import Carrier
from stream.camera.key_frame_gate import KeyFrameGate
from stream.camera.mount import Feed
from stream.camera.playback import Moment
from stream.camera.rtp_packets import RtpIdentity, RtpSender
from stream.clock import Clock

log = logging.getLogger(__name__)

REPORT_SECONDS = 5.0
"""Between sender reports (RFC 3550, 6.2)."""


async def play(feed: Feed, identity: RtpIdentity, carrier: Carrier, clock: Clock) -> None:
    """Returns when the feed ends; without a fault that ends it, never."""
    sender, gate = RtpSender(identity), KeyFrameGate()
    start = clock.monotonic()
    next_report = 0.0
    for moment in feed.moments():
        await asyncio.sleep(max(0.0, start + moment.due_seconds - clock.monotonic()))
        if moment.due_seconds >= next_report:
            carrier.send_rtcp(sender.report(moment.media_seconds, clock.wall()))
            next_report = moment.due_seconds + REPORT_SECONDS
        await _send(moment, sender, gate, carrier)


async def _send(moment: Moment, sender: RtpSender, gate: KeyFrameGate, carrier: Carrier) -> None:
    if gate.admits(is_key=moment.is_key, backlog_bytes=carrier.backlog_bytes):
        await carrier.send_rtp(sender.packets(moment.payloads, moment.presentation_seconds))
    elif gate.skipped == 1:
        log.warning("client_too_slow", extra={"backlog_bytes": carrier.backlog_bytes})
