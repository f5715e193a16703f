"""Routes of the daemon itself: probes, system, reload, events."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from stream.api.answers import (
    AboutAnswer,
    ChangesAnswer,
    HealthAnswer,
    SystemAnswer,
)
from stream.api.front_desk import FrontDesk
from stream.api.problem import Problem
from stream.fleet.fleet_view import FleetHealth

Responses = dict[int | str, dict[str, Any]]
_PROBLEM: dict[str, Any] = {"model": Problem}
_NOT_SO: Responses = {503: {"model": HealthAnswer}}


def system_routes(desk: FrontDesk, *, needs_token: bool) -> APIRouter:
    """All of them."""
    router = APIRouter(tags=["system"])

    @router.get("/about")
    async def about() -> AboutAnswer:
        """Which version this is, and whether requests must carry a token. Needs none."""
        return AboutAnswer(version=desk.version, needs_token=needs_token)

    @router.get("/system", responses={401: _PROBLEM, 503: _PROBLEM})
    async def read_system() -> SystemAnswer:
        """The daemon: engine, processes, sinks, where the time goes."""
        return await desk.system()

    @router.post("/reload", responses={401: _PROBLEM, 422: _PROBLEM})
    async def reload() -> ChangesAnswer:
        """Reads the site file again, as SIGHUP does; a wrong one changes nothing."""
        changes = await desk.reload()
        return ChangesAnswer(
            added=list(changes.added), changed=list(changes.changed), removed=list(changes.removed)
        )

    @router.get("/events", response_class=StreamingResponse, responses={401: _PROBLEM})
    async def events() -> StreamingResponse:
        """Server-sent events: `streams` and `system` every second, `happened` at once."""
        listening = desk.broadcast.listen(await desk.first_words())
        return StreamingResponse(listening, media_type="text/event-stream")

    _add_probes(router, desk)
    return router


def _add_probes(router: APIRouter, desk: FrontDesk) -> None:
    def answer(reasons: list[str], response: Response) -> HealthAnswer:
        response.status_code = 503 if reasons else 200
        return HealthAnswer(ok=not reasons, reasons=reasons)

    @router.get("/live", responses=_NOT_SO)
    async def live(response: Response) -> HealthAnswer:
        """Whether the daemon turns; if not for a while, start it anew. Needs no token."""
        health = await desk.health()
        return answer([] if health.is_running else ["the daemon does not turn"], response)

    @router.get("/ready", responses=_NOT_SO)
    async def ready(response: Response) -> HealthAnswer:
        """Whether frames that come are inferred and delivered. Needs no token."""
        return answer(_unready(desk, await desk.health()), response)

    @router.get("/startup", responses=_NOT_SO)
    async def startup(response: Response) -> HealthAnswer:
        """Whether the engine has been ready at least once. Needs no token."""
        health = await desk.health()
        is_up = desk.was_ready or health.is_engine_ready or not health.processes
        return answer([] if is_up else ["the engine is getting ready"], response)


def _unready(desk: FrontDesk, health: FleetHealth) -> list[str]:
    """Why frames that come would not get out; names no model's path and no address."""
    reasons = []
    if not health.is_running:
        reasons.append("the daemon does not turn")
    if health.model_refusals:
        reasons.append(f"the engine refuses {len(health.model_refusals)} models")
    elif not health.is_engine_ready and health.processes:
        reasons.append("the engine is getting ready")
    if not desk.daemon.delivery.is_alive:
        reasons.append("a sink's thread has ended")
    return reasons
