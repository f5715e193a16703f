"""Boards and alerts that are shipped: every query is answered by a real Prometheus."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from engines.artefact import Artefact
from stream.job_metrics import JobMetrics
from stream.jobs.job_progress import ProgressNow
from stream.metrics_server import MetricsServer
from tests.command_line import running
from tests.conftest import missing
from tests.drawn_clips import write_drawn_clip
from tests.running_daemon import running_daemon, write_site
from tests.running_prometheus import SHIPPED, RunningPrometheus, running_prometheus

DEPLOY = Path(__file__).parents[2] / "deploy"
BOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
ALERTS = SHIPPED / "posestream-alerts.yaml"
MAY_BE_EMPTY = {
    "posestream_engine_parity_error_pixels": "the tiny model finds nobody among the drawn people",
    "posestream_engine_steps_down_total": "no precision was refused: each is named when it is",
}
VARIABLES = {"$__rate_interval": "30s", "$instance": ".*", "$stream": ".*", "$batch_job": ".*"}
COMPARED = re.compile(r" (==|>|<|>=|<=) [-\d.e]+$")
PATIENT = {"worker_silence_seconds": 60.0, "engine_silence_seconds": 60.0}
"""A busy machine is no reason to replace a process, which would be an alert."""
JOB_HALF_WAY = ProgressNow(9, 3, 1, ("walk.mp4",), 700, 25.0, 0.5, 12.5)


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries_of(board: dict[str, Any]) -> Iterator[str]:
    """What Grafana asks, with the variables filled in as it does."""
    asked = [target["expr"] for panel in panels(board) for target in panel["targets"]]
    variables = board["templating"]["list"]
    lists = [one["query"] for one in variables if one["type"] == "query"]
    asked += [re.fullmatch(r"label_values\((\w+), \w+\)", words)[1] for words in lists]  # type: ignore[index]
    for expression in asked:
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)  # noqa: PLW2901
        yield expression


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def operands(expression: str) -> list[str]:
    """What an alert compares: an alert itself has no answer while all is well."""
    return [COMPARED.sub("", part) for part in re.split(r" and on \([^)]*\) ", expression.strip())]


def all_queries() -> set[str]:
    boards = (json.loads(path.read_text("utf-8")) for path in BOARDS)
    alerts = (operands(rule["expr"]) for rule in rules())
    return set(chain(*map(queries_of, boards), *alerts))


def is_excused(query: str) -> bool:
    return any(metric in query for metric in MAY_BE_EMPTY)


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        missing("no promtool: apt-get install prometheus")
    command = [program or "", *words]
    return subprocess.run(command, cwd=SHIPPED, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "prometheus.yaml"),
        ("check", "rules", ALERTS.name),
        pytest.param(("test", "rules", "posestream-alerts-test.yaml"), marks=pytest.mark.slow),
    ],
)
def test_promtool_finds_nothing_wrong(words: tuple[str, ...]) -> None:
    checked = promtool(*words)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_is_seen_to_fire_and_to_stay_silent() -> None:
    tests = yaml.safe_load((SHIPPED / "posestream-alerts-test.yaml").read_text("utf-8"))["tests"]
    names = {rule["alert"] for rule in rules()}
    for expected in (True, False):
        seen = {
            case["alertname"]
            for test in tests
            for case in test["alert_rule_test"]
            if bool(case["exp_alerts"]) is expected
        }
        assert seen == names


def test_every_alert_says_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "action"}


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: str(path.stem))
def test_a_board_is_whole(path: Path) -> None:
    board = json.loads(path.read_text("utf-8"))
    assert board["uid"] == f"posestream-{path.stem}"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in panels(board):
        assert panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    uids = {f"/d/posestream-{other.stem}" for other in BOARDS}
    assert {link["url"] for link in board["links"]} <= uids


@pytest.mark.slow
@pytest.mark.parametrize("path", BOARDS, ids=lambda path: str(path.stem))
def test_grafanas_own_model_takes_a_board(path: Path) -> None:
    if find_spec("grafana_foundation_sdk") is None:
        missing("no grafana-foundation-sdk: pip install -e '.[deploy]'")
    from grafana_foundation_sdk.models.dashboard import Dashboard  # noqa: PLC0415 - see above

    board = json.loads(path.read_text("utf-8"))
    assert len(Dashboard.from_json(board).panels or []) == len(board["panels"])


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: str(path.stem))
def test_panels_do_not_overlap(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(path.read_text("utf-8"))["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.slow
def test_prometheus_answers_every_query_of_boards_and_alerts(
    tiny_artefact: Artefact, tmp_path: Path
) -> None:
    if shutil.which("prometheus") is None:
        missing("no prometheus: apt-get install prometheus")
    clip = write_drawn_clip(tmp_path / "walk.mp4", 50)
    registry = CollectorRegistry()
    job = JobMetrics(registry, "night")
    job.progressed(JOB_HALF_WAY)
    with (
        running("camera", clip, clip, "--port", "0", cwd=tmp_path) as camera,
        closing(MetricsServer(registry, 0)) as batch,
    ):
        assert camera.stdout is not None
        urls = [camera.stdout.readline().strip() for _ in range(2)]
        streams = [
            {"name": f"cam{n}", "url": url, "max_fps": 5, "model": str(tiny_artefact.folder)}
            for n, url in enumerate(urls)
        ]
        with running_daemon(write_site(tmp_path, streams, limits=PATIENT)) as daemon:
            daemon.wait_for_results("cam0")
            targets = {"posestream": daemon.metrics_port, "batch": batch.port}
            with running_prometheus(tmp_path, targets) as prometheus:
                _assert_all_answered(prometheus)
            assert daemon.stop() == 0


def _assert_all_answered(prometheus: RunningPrometheus) -> None:
    asked = {query for query in all_queries() if not is_excused(query)}

    def silent() -> list[str]:
        return sorted(query for query in asked if not prometheus.query(query))

    assert prometheus.wait(lambda: not silent()), silent()
    for query in all_queries() - asked:
        prometheus.query(query)  # it must at least be understood
    assert prometheus.query('ALERTS{alertstate="firing"}') == []
