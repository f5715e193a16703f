import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from engines.engine import Precision
from engines.open_engine import GPU_ENGINES
from stream.commands import doctor
from stream.commands.doctor import (
    DECODERS,
    ENGINES,
    Finding,
    Verdict,
    _decoder,
    _engine,
    _gpu,
    _precisions,
    _print,
)
from tests.command_line import posestream

LOOKED_AT = {
    "posestream", "processor", "GPU", "writes H.264", "engine openvino", "engine onnxruntime",
    "precisions", "demo clip", "speed of decoding", "speed of the model",
    *(f"reads {name}" for name in DECODERS.values()),
}  # fmt: skip


@pytest.mark.slow
def test_what_this_machine_can_do_is_told_as_json_for_programs(tmp_path: Path) -> None:
    finished = posestream("doctor", "--json", cwd=tmp_path)

    assert finished.returncode == 0, finished.stderr
    findings = json.loads(finished.stdout)
    assert [finding["subject"] for finding in findings].count("processor") == 1
    assert {finding["subject"] for finding in findings} == LOOKED_AT
    for finding in findings:
        assert set(finding) == {"subject", "verdict", "words", "remedy"}
        assert finding["verdict"] in {"good", "note"}, "this machine runs the tests, so it works"
        assert finding["words"]
        assert finding["remedy"] or finding["verdict"] == "good", "a note says what to do"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_this_machine_can_do_is_told_as_a_table_for_people(tmp_path: Path) -> None:
    finished = posestream("doctor", cwd=tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert all(subject in finished.stdout for subject in LOOKED_AT)
    assert "frames/s" in finished.stdout
    assert "about 5 seconds" in finished.stderr


@pytest.mark.parametrize(
    ("best_first", "told"),
    [(("bf16", "fp32"), False), (("fp32", "bf16"), True), (("fp32",), False)],
)
def test_bf16_that_is_slow_is_told(
    monkeypatch: pytest.MonkeyPatch, best_first: tuple[str, ...], *, told: bool
) -> None:
    found = tuple(Precision(one) for one in best_first)
    monkeypatch.setattr(doctor, "openvino_precisions", lambda: found)
    words = _precisions().words
    assert words.startswith(", ".join(best_first))
    assert ("bf16 is slower" in words) is told


def test_a_decoder_that_is_missing_is_noted_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DECODERS, "betamax", "Betamax")
    finding = _decoder("betamax")
    assert (finding.subject, finding.verdict) == ("reads Betamax", Verdict.NOTE)
    assert "pip install" in finding.remedy


def test_an_engine_that_is_missing_is_noted_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "steam", "pip install steam")
    assert _engine("steam") == Finding(
        "engine steam", Verdict.NOTE, "not installed", "pip install steam"
    )


def test_a_machine_without_a_gpu_is_well(tmp_path: Path) -> None:
    assert _gpu(tmp_path).verdict is Verdict.GOOD


def test_a_gpu_needs_an_engine(tmp_path: Path) -> None:
    """Device files as the driver makes them; those without a number are no GPU."""
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    finding = _gpu(tmp_path)

    assert finding.words.startswith("2 NVIDIA")
    if any(find_spec(name) for name in GPU_ENGINES):
        assert finding.verdict is Verdict.GOOD
    else:
        assert (finding.verdict, finding.remedy) == (
            Verdict.NOTE,
            "pip install 'posestream[tensorrt]'",
        )


def test_words_from_outside_cannot_colour_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    _print([Finding("engine x", Verdict.BAD, "[red]broken[/red] [oops", "try [1]")])
    shown = capsys.readouterr().out
    assert "[red]broken[/red] [oops" in shown
    assert "try [1]" in shown
