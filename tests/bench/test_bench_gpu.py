"""The proof for machines with a GPU, as far as it runs on one without."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engines.artefact import Artefact
from engines.bucket_engine import BucketEngine
from engines.engine import Tensors
from engines.onnxruntime_engine import open_onnxruntime
from engines.pending import PendingBatch
from stream.clock import SystemClock
from stream.errors import EngineError
from stream.geometry import Letterbox
from stream.ingest.decode_ladder import DecodeRung
from stream.ingest.video_hardware import has_nvidia_device
from tests.bench import bench_gpu
from tests.bench.gpu_checks import LEVELS, kernel_parity, ladder_rung, overlap
from tests.drawn_clips import write_drawn_clip
from tests.media import write_video
from tests.overlapped_engines import overlapped
from tests.tiny_model import draw_people

pytest.importorskip("torch", reason="posestream[gpu] is not installed")

from engines.preprocessing.device_frames import TorchTaker
from engines.preprocessing.preprocessor import TorchPreprocessor
from engines.preprocessing.tensor_picture import TensorPicture

no_gpu = pytest.mark.skipif(has_nvidia_device(), reason="there is an NVIDIA GPU here")


@no_gpu
def test_without_a_gpu_it_says_so_and_measures_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gpu.json"
    assert bench_gpu.main(["walk.mp4", "--out", str(out)]) == bench_gpu.NO_GPU
    shown = capsys.readouterr()
    assert shown.err.startswith("bench_gpu: no NVIDIA driver on this machine")
    assert shown.out == ""
    assert not out.exists()


@pytest.mark.slow
def test_the_check_of_kernels_holds_torchs_own_operations_here() -> None:
    found = kernel_parity(TorchPreprocessor(), "cpu")
    assert found["canvas_levels"] <= LEVELS
    assert found["crop_levels"] <= LEVELS
    assert found["crops"] == 20


@pytest.mark.slow
def test_the_check_of_kernels_finds_a_wrong_one() -> None:
    class Wrong(TorchPreprocessor):
        def canvases(
            self, pictures: Sequence[TensorPicture], places: Sequence[tuple[int, Letterbox]]
        ) -> Any:
            return super().canvases(pictures, places) // 2

    assert kernel_parity(Wrong(), "cpu")["canvas_levels"] > LEVELS


@no_gpu
def test_the_check_of_the_ladder_tells_where_it_ended(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "walk.mp4", frames=10)
    found = ladder_rung(clip, DecodeRung.DOWNLOAD, TorchTaker("cpu"), SystemClock())
    assert (found["asked_for"], found["decoded_by"]) == ("nvdec-download", "software")
    assert [step["reason"] for step in found["steps"]] == ["open_failed"]
    assert (found["frames"], found["frames_expected"], found["luma_levels"]) == (10, 10, 0)


def test_the_check_of_overlap_finds_buffers_that_are_shared(tiny_artefact: Artefact) -> None:
    canvas = (128, 96)
    plain = open_onnxruntime(tiny_artefact, canvas=canvas, threads=1)
    people: list[dict[tuple[int, int], int]] = [{(20 + 5 * n, 40): 200} for n in range(8)]
    batches = [draw_people(*canvas, some)[None] for some in people]
    with closing(overlapped(plain, tiny_artefact.manifest, (1,))) as engine:
        found = overlap(engine, batches, SystemClock())
        assert (found["results_alike"], found["in_flight"], found["batches"]) == (True, 3, 8)
        assert not overlap(OneBuffer(engine), batches, SystemClock())["results_alike"]


class OneBuffer:
    """All batches under way share the result of the first."""

    def __init__(self, engine: BucketEngine) -> None:
        self._engine = engine
        self._first: PendingBatch | None = None
        self.spec, self.infer, self.close = engine.spec, engine.infer, engine.close

    def submit(self, inputs: Tensors) -> PendingBatch:
        self._first = self._first or self._engine.submit(inputs)
        return self._first


@pytest.mark.slow
def test_the_check_of_certificates_tells_what_was_not_built(tiny_artefact: Artefact) -> None:
    name = str(tiny_artefact.folder)
    found = bench_gpu.certificates("onnxruntime", [name])
    assert found["holds"]
    assert found["models"][name]["precision"] == "fp32"
    missing = bench_gpu.certificates("torch", [name])
    assert not missing["holds"]
    assert "posestream build tiny --engine torch" in missing["models"][name]["error"]


def test_a_check_that_cannot_be_made_is_told_and_fails() -> None:
    def broken() -> bench_gpu.Check:
        raise EngineError("no session left")

    told = bench_gpu.told(broken)
    assert told == {"holds": False, "error": "EngineError: no session left"}
    found = bench_gpu.figures({"end to end": {"share": 0.9, "holds": True}, "contract": told})
    assert [(figure.name, figure.value) for figure in found] == [
        ("Whole run over the engine alone", 0.9)
    ]


@no_gpu
@pytest.mark.slow
def test_the_check_of_a_whole_run_finds_that_nothing_stayed_on_a_gpu(
    tiny_artefact: Artefact, tmp_path: Path
) -> None:
    arguments = bench_gpu.parsed_arguments(
        [str(write_drawn_clip(tmp_path / "walk.mp4", 24)), "--device", "cpu", "--frames", "24"]
    )
    arguments.engine, arguments.model = "onnxruntime", str(tiny_artefact.folder)
    found = bench_gpu.end_to_end(arguments)
    assert not found["holds"]
    assert [step["reason"] for step in found["decode_steps"]] == ["open_failed", "open_failed"]
    assert (found["poses"], found["host_copies_of_pixels"]) == (24, 0)
    assert found["share"] > 0
