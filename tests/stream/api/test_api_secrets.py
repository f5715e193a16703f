"""Tokens let in who has them, and no secret ever comes out again."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from engines.artefact import Artefact
from stream.camera.digest import Login
from tests.command_line import posestream
from tests.running_api import ApiClient, client_of, wait_for
from tests.running_camera import running_camera, with_login
from tests.running_daemon import running_daemon, write_site

pytestmark = pytest.mark.slow

LOGIN = Login("ada lovelace", "p/a?s#s@w%o:r d")
TOKEN = "a-token-of-some-length-0123456789"  # noqa: S105 - of this test
EVERYWHERE = "0.0.0.0"  # noqa: S104 - with a token
EVERYTHING = ("/streams", "/system", "/openapi.json", "/about", "/live", "/ready", "/startup")


def forms(secret: str) -> set[str]:
    """The secret as it could appear: as it is, encoded, in JSON, and its telling parts."""
    parts = {part for sign in "/?#@%: " for part in secret.split(sign) if len(part) > 3}
    return {secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1], *parts}


def refused_wishes(address: str) -> list[dict[str, Any]]:
    """Each wrong in another way, with the password in it."""
    secret = LOGIN.password
    return [
        {"name": "a", "url": f"rtsp://{LOGIN.user}:{secret}"},
        {"name": "a", "url": f"rtsp:/{LOGIN.user}:{secret}@host"},
        {"name": "a", "url": f"ftp://{LOGIN.user}:{secret}@host/x"},
        {"name": "a", "url": f"rtsp://u:{quote(secret, safe='')}@host:99999/x"},
        {"name": "a", "url": [f"rtsp://u:{secret}@host/x"]},
        {"name": "a", "url": f"rtsp://u:{secret}@host/" + "x" * 5000},
        {
            "name": "a",
            "url": f"rtsp://u:{secret}@host/x",
            "login": {"user": "u", "password": secret},
        },
        {"name": "a", "url": address, "login": {"user": secret, "pasword": secret}},
        {"name": "a", "url": address, "login": {"user": "u", "password": [secret]}},
        {"name": "a", "url": address, "login": secret},
        {"name": "a", "url": address, "password": secret},
    ]


def ask_everything(api: ApiClient, names: list[str]) -> str:
    """All that the API ever tells of streams."""
    paths = [*EVERYTHING, *(f"/streams/{n}{rest}" for n in names for rest in ("", "/history"))]
    return "".join(api.get(path).body.decode() for path in paths)


def test_passwords_of_streams_go_in_and_never_come_out(
    walk: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    model = {"model": str(tiny_artefact.folder), "max_fps": 5}
    seen = []
    with running_camera([walk] * 3, login=LOGIN) as [address, second, third]:
        streams = [{"name": "idle", "url": third, "paused": True, **model}]
        site = write_site(tmp_path, streams, api={"port": 0})
        with running_daemon(site) as daemon:
            api = client_of(daemon)
            login = {"user": LOGIN.user, "password": LOGIN.password}
            raw = second.replace("rtsp://", f"rtsp://{LOGIN.user}:{LOGIN.password}@")
            for wish in (
                {"name": "apart", "url": address, "login": login},
                {"name": "encoded", "url": with_login(second, LOGIN)},
                {"name": "raw", "url": raw},
                {"name": "lost", "url": raw.replace("cam1", "cam9")},
                {"name": "wrong", "url": with_login(third, Login(LOGIN.user, "wr/ng?p@ss"))},
            ):
                answer = api.ask("POST", "/streams", {**wish, **model})
                assert answer.status == 201, answer.body
                seen.append(answer.body.decode())
            for name in ("apart", "encoded", "raw"):
                daemon.wait_for_results(name)
            wait_for(daemon, api, "lost", cause="not_found")
            wait_for(daemon, api, "wrong", cause="auth")
            for wish in refused_wishes(third):
                answer = api.ask("POST", "/streams", {**model, **wish})
                assert answer.status == 422, answer.body
                assert answer.is_problem
                seen.append(answer.body.decode())
            seen.append(ask_everything(api, ["apart", "encoded", "raw", "lost", "wrong"]))
            seen.append(daemon.metrics())
            titles = [Path(f"/proc/{pid}/cmdline").read_text("utf-8") for pid in daemon.children()]
            events = api.events()
            seen += [json.dumps(next(events)), json.dumps(next(events)), *titles]
            events.close()  # type: ignore[attr-defined]
            assert daemon.stop() == 0
    seen += [daemon.log, *(file.read_text("utf-8") for file in tmp_path.glob("out/*"))]
    told = "\n".join(seen)
    for secret in forms(LOGIN.password) | forms("wr/ng?p@ss"):
        assert secret not in told


def test_only_who_has_the_token_is_answered(
    walk: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n", "utf-8")
    with running_camera([walk]) as [address]:
        streams = [{"name": "cam", "url": address, "model": str(tiny_artefact.folder)}]
        api_wish = {"port": 0, "bind": EVERYWHERE, "token": {"file": "token"}}
        with running_daemon(write_site(tmp_path, streams, api=api_wish)) as daemon:
            api = client_of(daemon, TOKEN)
            assert api.get("/streams").status == 200
            stranger = ApiClient(api.address)
            for path in ("/", "/page/main.js", "/about", "/live", "/ready", "/startup"):
                assert stranger.get(path).status == 200
            assert stranger.get("/about").json["needs_token"]
            for method, path in (
                ("GET", "/streams"),
                ("GET", "/streams/cam/snapshot.jpg"),
                ("GET", "/events"),
                ("POST", "/reload"),
                ("DELETE", "/streams/cam"),
                ("GET", "/nothing"),
            ):
                answer = stranger.ask(method, path)
                assert answer.status == 401
                assert answer.is_problem
                assert answer.headers["www-authenticate"] == "Bearer"
            for wrong in (TOKEN[:-1], TOKEN + "x", "", "\u00e4" * 33, TOKEN.upper()):
                headers = {"Authorization": f"Bearer {wrong}".encode().decode("latin-1")}
                assert stranger.ask("GET", "/streams", headers=headers).status == 401
            assert stranger.get("/streams", Authorization=f"Basic {TOKEN}").status == 401
            assert stranger.get("/streams", Authorization=f"bearer {TOKEN}").status == 200
            assert daemon.stop() == 0
    assert TOKEN not in daemon.log
    assert "api_unencrypted" in daemon.log, "anybody on the way can read the token"
    assert "give api.tls" in daemon.log


def test_a_token_that_could_be_guessed_keeps_the_daemon_from_starting(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pa55word", "utf-8")
    site = write_site(tmp_path, [], api={"port": 0, "token": {"file": "token"}})
    done = posestream("serve", "-c", site, cwd=tmp_path)
    assert done.returncode == 2
    assert "api.token: expected 16 or more" in done.stderr
    assert "pa55word" not in done.stderr


def test_others_than_this_machine_need_a_token(tmp_path: Path) -> None:
    site = write_site(tmp_path, [], api={"port": 0, "bind": EVERYWHERE})
    done = posestream("check", site, cwd=tmp_path)
    assert done.returncode == 2
    assert "api.token: missing" in done.stderr
