"""`posestream run` and engines that do not agree with the reference."""

import subprocess
import sys
from pathlib import Path

import pytest

from engines.artefact import Artefact
from engines.certification.certificate import Judgement
from engines.certification.certify import ReferenceFinder, certify
from engines.certification.picture_set import PictureSet
from engines.certification.shelf import CertificateShelf
from engines.engine import Precision
from engines.open_engine import EngineName, open_engine
from engines.openvino_engine import openvino_precisions
from stream.clock import ManualClock
from tests.command_line import environment, posestream
from tests.tiny_model import draw_people

pytestmark = pytest.mark.slow

CANVAS = (128, 96)
PICTURES = PictureSet("squares", (draw_people(*CANVAS, {(30, 40): 250}),))


def store_verdict(
    artefact: Artefact, root: Path, engine: EngineName, precision: Precision, verdict: Judgement
) -> None:
    """What a measurement would have left in the store."""
    opened = open_engine(artefact, engine=engine, canvas=CANVAS, precision=precision)
    found = certify([opened], artefact, PICTURES, ReferenceFinder(artefact), ManualClock())
    opened.close()
    reasons = ("mean_px 9.000, at most 1 allowed",) if verdict is Judgement.FAILED else ()
    kept = CertificateShelf(root).keep(
        found.model_copy(update={"verdict": verdict, "reasons": reasons})
    )
    assert kept


QUICK_IN_BF16 = """
from dataclasses import replace
from engines import openvino_engine
from engines.hardware import cpu_features
from stream.__main__ import main
quick = replace(cpu_features(), vendor="AuthenticAMD")
openvino_engine.cpu_features = lambda: quick
main()
"""


def posestream_quick_in_bf16(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command on a processor that is held to be quick in bf16."""
    command = [sys.executable, "-c", QUICK_IN_BF16, *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False
    )


def test_the_next_precision_is_taken_and_it_is_said(
    tiny_artefact: Artefact, clip: Path, tmp_path: Path
) -> None:
    if Precision.BF16 not in openvino_precisions():
        pytest.skip("this processor has fp32 only: nothing to step down from")
    cache = tmp_path / "cache"
    store_verdict(tiny_artefact, cache, EngineName.OPENVINO, Precision.BF16, Judgement.FAILED)
    store_verdict(tiny_artefact, cache, EngineName.OPENVINO, Precision.FP32, Judgement.PASSED)
    finished = posestream_quick_in_bf16(
        "run", clip, "--model", tiny_artefact.folder, "--cache", cache, "--max-frames", "3",
        cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert "engine_stepped_down" in finished.stderr
    assert "mean_px 9.000" in finished.stderr
    assert ", fp32, " in finished.stderr


def test_what_was_asked_for_by_name_is_refused_unless_allowed(
    tiny_artefact: Artefact, clip: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    asked = (EngineName.ONNXRUNTIME, Precision.FP32)
    store_verdict(tiny_artefact, cache, *asked, Judgement.FAILED)
    words = (
        "run", clip, "--model", tiny_artefact.folder, "--cache", cache, "--max-frames", "3",
        "--engine", "onnxruntime", "--precision", "fp32", "--output", tmp_path / "out.jsonl",
    )  # fmt: skip
    refused = posestream(*words, cwd=tmp_path)
    assert refused.returncode == 1
    assert "does not agree with" in refused.stderr
    assert "--allow-uncertified" in refused.stderr
    assert not (tmp_path / "out.jsonl").exists()
    allowed = posestream(*words, "--allow-uncertified", cwd=tmp_path)
    assert allowed.returncode == 0, allowed.stderr
    assert "engine_uncertified" in allowed.stderr
