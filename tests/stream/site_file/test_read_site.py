import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from stream.errors import ConfigError
from stream.site_file.patience import PATIENCE, Profile
from stream.site_file.read_site import SiteError, SiteFault, missing_secrets, parse_site, read_site
from stream.site_file.site_model import Site, site_schema

REPOSITORY = Path(__file__).parents[3]
SHIPPED = REPOSITORY / "stream/site_file/site.schema.json"
SINKS = "sinks: [{kind: jsonl, folder: out}]\n"
NASTY = "p/a?s#s@w%o:r d"


def faults(text: str, known_models: tuple[str, ...] = ("bottom_up",)) -> list[str]:
    def check(model: str) -> str | None:
        return None if model in known_models else f"no model {model!r}"

    with pytest.raises(SiteError) as raised:
        parse_site(text, "site.yaml", check)
    return raised.value.in_lines()


def test_every_shipped_site_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    for file in REPOSITORY.glob("configs/*site*.yaml"):
        site = read_site(file)
        assert site.streams
        Draft202012Validator(site_schema()).validate(yaml.safe_load(file.read_text("utf-8")))


def test_the_shipped_schema_is_that_of_the_model() -> None:
    """To write it anew: json.dumps(site_schema(), indent=2) and a line break."""
    assert json.loads(SHIPPED.read_text("utf-8")) == site_schema()
    Draft202012Validator.check_schema(site_schema())


def test_all_faults_are_told_at_once_with_line_path_and_nearest_name() -> None:
    text = """
streams:
  - name: gate
    url: rtsp://cam/1
    max_fp: 5
    max_fps: -1
    profile: wierd
  - name: gate
    url: rtsp://cam/2
    model: bottom_upp
    target_age_seconds: .nan
sinks:
  - kind: redi
  - kind: jsonl
    foldr: x
sink: 1
"""
    told = faults(text)
    expected = [
        (5, "streams[0].max_fp: unknown name; did you mean 'max_fps'?"),
        (6, "streams[0].max_fps: got -1, expected greater than 0"),
        (7, "streams[0].profile: got 'wierd', expected 'wired', 'wifi', 'battery' or 'file'"),
        (8, "streams[1].name: 'gate' is the name in line 3, too"),
        (10, "streams[1].model: no model 'bottom_upp'"),
        (11, "streams[1].target_age_seconds: got nan, expected"),
        (13, "sinks[0]: got kind 'redi', expected 'jsonl', 'redis'; did you mean 'redis'?"),
        (14, "sinks[1].folder: missing"),
        (15, "sinks[1].foldr: unknown name; did you mean 'folder'?"),
        (16, "sink: unknown name; did you mean 'sinks'?"),
    ]
    assert len(told) == len(expected), told
    for line, (number, start) in zip(told, expected, strict=True):
        assert line.startswith(f"site.yaml:{number}: {start}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "site.yaml:1: the file is empty"),
        ("- a\n", "got a list"),
        ("streams: [\n", "no YAML"),
        (f"{SINKS}{SINKS}", "site.yaml:2: sinks: this key stands twice"),
        (f"{SINKS}? [a]\n: 1\n", "a key must be a word"),
        (f"{SINKS}engine: !!python/object:os.system {{}}\n", "engine: a tag like !this"),
        ("a: &a [1]\nb: &b [*a,*a]\n", "unknown name"),
        ("\x00", "no YAML"),
        (f"{SINKS}engine: 2026-13-45\n", "no value of its kind"),
        ("[" * 900_000, "nested too deeply"),
        ("{a: " * 200_000, "nested too deeply"),
        ("- " * 100_000, "nested too deeply"),
        ("a: &a [*a]\n", "nested too deeply"),
        ("x" * 1_000_001, "more than 1000000 characters"),
        (
            f"{SINKS}limits: {{streams: 1}}\nstreams: [{{name: a, url: x}}, {{name: b, url: x}}]",
            "site.yaml:3: streams: got 2 streams, limits.streams allows 1",
        ),
        (f"{SINKS}metrics: {{port: 9}}\napi: {{port: 9}}", "api.port: port 9 is that of metrics"),
        (
            f"{SINKS}streams: [{{name: a, url: x, login: {{user: u, password: {{env: E}}}}}}]",
            "streams[0].login: a login is for an address without one",
        ),
        ("sinks: []\n", "sinks: got a list, expected at least one"),
        (f"{SINKS}streams: [{{name: a/b, url: x}}]", "expected letters, digits"),
        (f"{SINKS}api: {{token: {{env: A, file: b}}}}", "either env: NAME or file: PATH"),
    ],
)
def test_a_wrong_file_is_a_fault_that_names_the_place(text: str, told: str) -> None:
    assert any(told in line for line in faults(text)), faults(text)


def test_aliases_that_stand_for_billions_are_refused() -> None:
    lines = ["l0: &l0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    some = ", ".join(["*l{0}"] * 10)
    lines += [f"l{n}: &l{n} [{some.format(n - 1)}]" for n in range(1, 12)]
    assert "aliases stand for too much" in "".join(faults("\n".join(lines)))


@pytest.mark.parametrize(
    "text",
    [
        f"streams: [{{name: a, url: 'rtsp://joe:{NASTY}@', max_fps: 0}}]",
        f"streams: [{{name: a, url: x, login: {{user: joe, password: '{NASTY}'}}}}]",
        f"streams: [{{name: a, url: x, login: '{NASTY}'}}]",
        f"sinks: [{{kind: redis, url: 'redis://joe:{NASTY}@host/0'}}]",
        f"sinks: [{{kind: redis, url: ['redis://joe:{NASTY}@host/0']}}]",
        f"api: {{token: '{NASTY}'}}",
        f"api: {{token: {{env: ['{NASTY}']}}}}",
        f"streams: [{{name: a, url: x, login: {{user: u, password: !!float '{NASTY}'}}}}]",
    ],
)
def test_no_secret_is_repeated_in_a_fault(text: str) -> None:
    told = "\n".join(faults(text))
    for part in (NASTY, "w%o", "a?s", "r d"):
        assert part not in told


def test_secrets_come_from_the_environment_and_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAM", NASTY)
    (tmp_path / "token").write_text(f"{NASTY}\nsecond line\n", "utf-8")
    login = "login: {user: joe, password: {env: CAM}}"
    streams = f"streams: [{{name: a, url: 'rtsp://h/p', {login}}}]\n"
    text = f"{SINKS}{streams}api: {{token: {{file: token}}}}"
    site = parse_site(text, "site.yaml")
    assert missing_secrets(site, tmp_path) == []
    assert site.streams[0].login is not None
    assert site.streams[0].login.password.read(tmp_path) == NASTY
    assert site.api is not None
    assert site.api.token is not None
    assert site.api.token.read(tmp_path) == NASTY


def test_every_missing_secret_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAM", raising=False)
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    text = f"""{SINKS}
streams:
  - {{name: a, url: 'rtsp://h', login: {{user: u, password: {{env: CAM}}}}}}
  - {{name: b, url: 'rtsp://h', login: {{user: u, password: {{env: EMPTY}}}}}}
  - {{name: c, url: 'rtsp://h', login: {{user: u, password: {{file: bytes}}}}}}
api: {{token: {{file: none}}}}
"""
    told = missing_secrets(parse_site(text, "site.yaml"), tmp_path)
    assert [line.split(":")[0] for line in told] == [
        *(f"streams[{place}].login.password" for place in range(3)),
        "api.token",
    ]
    assert "CAM: it is not set" in told[0]
    assert "it is empty" in told[1]
    assert "no text in UTF-8" in told[2]
    assert "No such file" in told[3]


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_site(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="no text in UTF-8"):
        read_site(tmp_path / "bytes.yaml")


def test_every_profile_has_its_limits_and_wired_ones_allow_two_seconds() -> None:
    assert set(PATIENCE) == set(Profile)
    wired = PATIENCE[Profile.WIRED]
    assert max(wired.open_seconds, wired.max_delay_seconds) < 2
    assert all(one.stall_seconds < one.silence_seconds / 2 for one in PATIENCE.values())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = sorted(Site.model_fields)
GOOD: dict[str, Any] = {
    "streams": [{"name": "a", "url": "rtsp://h/p", "max_fps": 3}],
    "sinks": [{"kind": "jsonl", "folder": "x"}, {"kind": "redis", "url": "redis://h/0"}],
    "limits": {"streams": 3},
}


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A good site in which some things were exchanged for others."""
    site: Any = json.loads(json.dumps(GOOD))
    for _ in range(draw(st.integers(1, 3))):
        place = site
        for _ in range(draw(st.integers(0, 3))):
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            inner = place[draw(st.sampled_from(keys))] if keys else None
            if not isinstance(inner, dict | list) or not inner:
                break
            place = inner
        keys = [*place, *NAMES] if isinstance(place, dict) else list(range(len(place)))
        place[draw(st.sampled_from(keys))] = draw(VALUES)
    return yaml.safe_dump(site, allow_unicode=True)


@pytest.mark.slow
@settings(max_examples=2000)
@given(st.text(max_size=200) | mutated())
def test_no_text_does_anything_but_give_a_site_or_name_its_faults(text: str) -> None:
    found: tuple[SiteFault, ...] = ()
    with suppress(SiteError):
        try:
            parse_site(text, "site.yaml")
        except SiteError as error:
            found = error.faults
            raise
        return
    assert found
    assert all(fault.line >= 1 for fault in found)


def test_models_behind_one_another_are_a_list() -> None:
    listed = "streams: [{name: a, url: a.mp4, model: [detector, posefix]}]\n" + SINKS
    (stream,) = parse_site(listed, "site.yaml").streams
    assert stream.model == "detector+posefix"
    asked: list[str] = []
    parse_site(listed, "site.yaml", asked.append)
    assert asked == ["detector+posefix"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("[]", "streams[0].model: got a list"),
        ("[a, 3]", "streams[0].model: got a list"),
        ("[a+b, c]", "write each as an entry of the list"),
    ],
)
def test_a_list_of_models_holds_names(model: str, words: str) -> None:
    told = faults(f"streams: [{{name: a, url: a.mp4, model: {model}}}]\n" + SINKS)
    assert len(told) == 1
    assert words in told[0]
