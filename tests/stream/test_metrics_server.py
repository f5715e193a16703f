import socket
import urllib.error
import urllib.request
from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from stream.errors import ConfigError
from stream.frame import Outcome
from stream.metrics import Metrics
from stream.metrics_server import MetricsServer


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def test_a_scrape_shows_what_was_counted() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry, "1.2.3")
    metrics.open_stream('a "quoted" \\ name')
    metrics.frame_done('a "quoted" \\ name', Outcome.SKIPPED, 0.0)
    with closing(MetricsServer(registry, 0)) as server:
        families = {
            family.name: family for family in text_string_to_metric_families(scrape(server.port))
        }
    counts = {
        (sample.labels["stream"], sample.labels["outcome"]): sample.value
        for sample in families["posestream_stream_frames"].samples
        if sample.name.endswith("_total")
    }
    assert counts['a "quoted" \\ name', "skipped"] == 1
    assert counts['a "quoted" \\ name', "inferred"] == 0


def test_it_answers_as_long_as_it_is_open() -> None:
    server = MetricsServer(CollectorRegistry(), 0)
    port = server.port
    scrape(port)
    scrape(port)
    server.close()
    server.close()
    with pytest.raises(urllib.error.URLError):
        scrape(port)


def test_only_this_machine_may_ask() -> None:
    with closing(MetricsServer(CollectorRegistry(), 0)) as server:
        assert server._server.server_address[0] == "127.0.0.1"


def test_a_port_is_free_again_after_close() -> None:
    with closing(MetricsServer(CollectorRegistry(), 0)) as first:
        port = first.port
        scrape(port)
    with closing(MetricsServer(CollectorRegistry(), port)) as second:
        assert second.port == port


def test_a_port_in_use_is_refused() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"metrics port {port} .*in use.*another one"):
            MetricsServer(CollectorRegistry(), port)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(ConfigError, match=rf"metrics port {port} "):
        MetricsServer(CollectorRegistry(), port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1"):
        MetricsServer(CollectorRegistry(), 0, "192.0.2.1")
