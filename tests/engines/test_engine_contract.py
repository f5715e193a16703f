"""One contract, all engines: each test here runs over every implementation of `Engine`."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.artefact import Artefact
from engines.engine import Engine, Precision
from engines.engine_options import EngineOptions
from engines.engine_store import EngineStore
from engines.nvidia_driver import first_gpu
from engines.onnxruntime_engine import open_onnxruntime
from engines.openvino_engine import build_openvino, open_openvino
from engines.pending import submitted
from engines.replay_engine import ReplayEngine, record
from engines.tensorrt_backend import Flavour, load_backend
from engines.tensorrt_engine import PLAN_NAME, open_tensorrt, open_tensorrt_rtx, plan_key
from engines.torch_engine import open_torch, program_key
from stream.errors import EngineError
from tests.overlapped_engines import MARK, openvino_requests, overlapped
from tests.tiny_model import draw_people, pose_at, score_of

CANVAS = (128, 96)
PEOPLE: list[dict[tuple[int, int], int]] = [
    {(30, 40): 255, (70, 50): 200},
    {},
    {(64, 48): 230},
    {(10, 10): 180, (50, 80): 240, (110, 20): 210},
]
PICTURES = np.stack([draw_people(*CANVAS, people) for people in PEOPLE])
"""(4, 96, 128, 3)."""


def openvino_fp32(artefact: Artefact) -> Engine:
    return open_openvino(artefact, canvas=CANVAS, precision=Precision.FP32)


def openvino_best(artefact: Artefact) -> Engine:
    return open_openvino(artefact, canvas=CANVAS)


def onnxruntime_fp32(artefact: Artefact) -> Engine:
    return open_onnxruntime(artefact, canvas=CANVAS)


def openvino_in_buckets(artefact: Artefact) -> Engine:
    options = EngineOptions(batches=(1, 3))
    return open_openvino(artefact, canvas=CANVAS, precision=Precision.FP32, options=options)


def openvino_from_the_store(artefact: Artefact) -> Engine:
    with TemporaryDirectory() as folder:
        options = EngineOptions(store=EngineStore(Path(folder)))
        assert build_openvino(artefact, canvas=CANVAS, options=options)
        assert not build_openvino(artefact, canvas=CANVAS, options=options)
        return open_openvino(artefact, canvas=CANVAS, options=options)


def onnxruntime_in_buckets(artefact: Artefact) -> Engine:
    return open_onnxruntime(artefact, canvas=CANVAS, options=EngineOptions(batches=(2, 8)))


def torch_program(artefact: Artefact) -> Engine:
    torch = pytest.importorskip("torch")
    from tests.tiny_twin import store_twin  # noqa: PLC0415 - others need no torch

    threads = torch.get_num_threads()
    store = EngineStore(artefact.folder.parent / "twin_store")
    if store.find(program_key(artefact, CANVAS)) is None:  # exporting takes a second
        store_twin(artefact, CANVAS, store)
    options = EngineOptions(batches=(1, 4), store=store)
    opened = open_torch(artefact, canvas=CANVAS, threads=1, options=options)
    torch.set_num_threads(threads)  # one number for the whole process
    return opened


def tensorrt_plan(artefact: Artefact) -> Engine:
    return gpu_plan(artefact, Flavour.TENSORRT)


def tensorrt_rtx_plan(artefact: Artefact) -> Engine:
    return gpu_plan(artefact, Flavour.TENSORRT_RTX)


def gpu_plan(artefact: Artefact, flavour: Flavour) -> Engine:
    """Built here and now; skipped without a GPU, its driver or the library."""
    try:
        backend, gpu = load_backend(flavour), first_gpu()
    except EngineError as error:
        pytest.skip(str(error))
    from builders.tensorrt_build import PlanRequest, build_plan  # noqa: PLC0415 - as above

    batches, rtx = (1, 4), flavour is Flavour.TENSORRT_RTX
    request = PlanRequest(
        onnx=artefact.onnx_path.read_bytes(),
        manifest=artefact.manifest,
        canvas=CANVAS,
        batches=batches,
        precision=Precision.FP32,
        target=gpu.capability if rtx else None,
    )

    def write(folder: Path) -> dict[str, str]:
        plan = build_plan(backend, request, lambda _line: None)
        (folder / PLAN_NAME).write_bytes(plan.contents)
        return {}

    with TemporaryDirectory() as root:
        store = EngineStore(Path(root))
        target = backend.target_of(gpu)
        store.build(plan_key(backend, artefact, target, Precision.FP32, (CANVAS, batches)), write)
        options = EngineOptions(batches=batches, store=store)
        return OPEN_PLAN[flavour](artefact, canvas=CANVAS, options=options)


OPEN_PLAN = {Flavour.TENSORRT: open_tensorrt, Flavour.TENSORRT_RTX: open_tensorrt_rtx}


def replay_by_picture(artefact: Artefact) -> Engine:
    recorded = record(openvino_fp32(artefact), PICTURES)
    return ReplayEngine(artefact.manifest, CANVAS, recorded)


def replay_with_blank(artefact: Artefact) -> Engine:
    """Padding is replayed as well."""
    pictures = np.concatenate([PICTURES, np.zeros_like(PICTURES[:1])])
    recorded = record(openvino_fp32(artefact), pictures)
    return ReplayEngine(artefact.manifest, CANVAS, recorded)


def openvino_in_flight(artefact: Artefact) -> Engine:
    return openvino_requests(artefact, CANVAS)


def onnxruntime_in_flight(artefact: Artefact) -> Engine:
    return overlapped(onnxruntime_fp32(artefact), artefact.manifest, (1, 3))


def torch_in_flight(artefact: Artefact) -> Engine:
    return overlapped(torch_program(artefact), artefact.manifest, (1, 4))


def replay_in_flight(artefact: Artefact) -> Engine:
    return overlapped(replay_with_blank(artefact), artefact.manifest, (1, 4))


IN_FLIGHT: list[Any] = [
    openvino_in_flight,
    onnxruntime_in_flight,
    pytest.param(torch_in_flight, marks=pytest.mark.slow),
    replay_in_flight,
]
OPENERS: list[Any] = [
    openvino_fp32,
    openvino_best,
    openvino_in_buckets,
    openvino_from_the_store,
    onnxruntime_fp32,
    onnxruntime_in_buckets,
    pytest.param(torch_program, marks=pytest.mark.slow),
    pytest.param(tensorrt_plan, marks=pytest.mark.slow),
    pytest.param(tensorrt_rtx_plan, marks=pytest.mark.slow),
    replay_by_picture,
    *IN_FLIGHT,
]


@pytest.fixture(params=OPENERS, ids=lambda opener: opener.__name__)
def engine(request: pytest.FixtureRequest, tiny_artefact: Artefact) -> Iterator[Engine]:
    opened: Engine = request.param(tiny_artefact)
    yield opened
    opened.close()


def assert_same(engine: Engine, one: NDArray[np.generic], other: NDArray[np.generic]) -> None:
    """To the bit with one bucket; between buckets a device may sum in another order."""
    tolerance = 0 if len(engine.spec.batches) == 1 else 1e-3
    np.testing.assert_allclose(one.astype(float), other.astype(float), rtol=0, atol=tolerance)


def confidence_tolerance(engine: Engine) -> float:
    """bf16 keeps 8 bits of a number: 1/256 of it."""
    return 1e-4 if engine.spec.precision is Precision.FP32 else 0.01


def test_the_drawn_people_are_found_best_first(engine: Engine) -> None:
    found = engine.infer({"canvas": PICTURES})
    assert found["keypoints"].shape == (len(PICTURES), 30, 17, 3)
    assert found["scores"].shape == (len(PICTURES), 30)
    for row, people in enumerate(PEOPLE):
        ranked = sorted(people.items(), key=lambda person: -person[1])
        for place, ((x, y), grey) in enumerate(ranked):
            pose, score = found["keypoints"][row, place], found["scores"][row, place]
            expected = pose_at(x, y, grey)
            np.testing.assert_allclose(pose[:, :2], expected[:, :2], atol=1e-3)
            np.testing.assert_allclose(
                pose[:, 2], expected[:, 2], atol=confidence_tolerance(engine)
            )
            np.testing.assert_allclose(score, score_of(grey), atol=confidence_tolerance(engine))
        assert not found["scores"][row, len(people) :].any()


def test_a_picture_does_not_depend_on_the_batch_it_rode_in(engine: Engine) -> None:
    together = engine.infer({"canvas": PICTURES})
    for row in range(len(PICTURES)):
        alone = engine.infer({"canvas": PICTURES[row : row + 1]})
        for name, values in alone.items():
            assert_same(engine, values[0], together[name][row])


def test_neighbours_do_not_change_a_picture(engine: Engine) -> None:
    together = engine.infer({"canvas": PICTURES})
    swapped = engine.infer({"canvas": PICTURES[::-1]})
    for name, values in swapped.items():
        assert_same(engine, values[::-1], together[name])


def test_results_belong_to_the_caller(engine: Engine) -> None:
    first = engine.infer({"canvas": PICTURES[:1]})
    copies = {name: values.copy() for name, values in first.items()}
    second = engine.infer({"canvas": PICTURES[3:]})
    for name, values in first.items():
        np.testing.assert_array_equal(values, copies[name])
        assert not np.shares_memory(values, second[name])
        values[:] = 0  # the caller may write


def test_inputs_are_left_alone(engine: Engine) -> None:
    pictures = PICTURES.copy()
    engine.infer({"canvas": pictures})
    np.testing.assert_array_equal(pictures, PICTURES)


def test_a_view_with_gaps_and_a_read_only_array_are_taken(engine: Engine) -> None:
    wide = np.repeat(PICTURES, 2, axis=2)
    view = wide[:, :, ::2]
    view.flags.writeable = False
    found, expected = engine.infer({"canvas": view}), engine.infer({"canvas": PICTURES})
    np.testing.assert_array_equal(found["keypoints"], expected["keypoints"])


def test_an_empty_batch_gives_an_empty_result(engine: Engine) -> None:
    found = engine.infer({"canvas": PICTURES[:0]})
    assert found["keypoints"].shape == (0, 30, 17, 3)
    assert found["scores"].shape == (0, 30)
    assert found["scores"].dtype == np.float32


SOME_BATCHES: tuple[list[int], ...] = ([0], [1, 3, 2, 0, 3], [2], [], [3, 1], [0, 0, 2, 1], [1])
"""Rows of `PICTURES`."""


def test_batches_under_way_give_what_they_give_one_after_another(engine: Engine) -> None:
    expected = [engine.infer({"canvas": PICTURES[rows]}) for rows in SOME_BATCHES]
    pending = []
    for rows in SOME_BATCHES:
        pictures = PICTURES[rows]
        pending.append(submitted(engine, {"canvas": pictures}))
        pictures[:] = 99  # the caller may
    for one, other in zip(pending, expected, strict=True):
        for name, values in one.result().items():
            np.testing.assert_array_equal(values, other[name])


def test_results_may_be_asked_for_in_any_order_and_again(engine: Engine) -> None:
    expected = engine.infer({"canvas": PICTURES})
    pending = [submitted(engine, {"canvas": PICTURES[row : row + 1]}) for row in range(4)]
    for row in (2, 0, 3, 1, 2):
        for name, values in pending[row].result().items():
            assert_same(engine, values[0], expected[name][row])


def test_what_is_refused_costs_no_batch_that_is_under_way(engine: Engine) -> None:
    expected = engine.infer({"canvas": PICTURES})
    pending = submitted(engine, {"canvas": PICTURES})
    with pytest.raises(EngineError, match="expected canvas uint8"):
        submitted(engine, {"canvas": PICTURES[0]})
    np.testing.assert_array_equal(pending.result()["scores"], expected["scores"])


def test_closing_waits_for_what_is_under_way(engine: Engine) -> None:
    expected = engine.infer({"canvas": PICTURES})
    pending = [submitted(engine, {"canvas": PICTURES}) for _ in range(5)]
    engine.close()
    for one in pending:
        np.testing.assert_array_equal(one.result()["keypoints"], expected["keypoints"])
    with pytest.raises(EngineError, match="was closed"):
        submitted(engine, {"canvas": PICTURES})


@pytest.mark.parametrize("opener", IN_FLIGHT)
def test_a_batch_that_fails_under_way_fails_alone(opener: Any, tiny_artefact: Artefact) -> None:
    engine: Engine = opener(tiny_artefact)
    assert engine.spec.in_flight == 3
    bad = PICTURES[:1].copy()
    bad[0, 0, 0] = MARK
    expected = engine.infer({"canvas": PICTURES[:2]})
    batches = [PICTURES[:2], bad, PICTURES[:2], PICTURES[:2], bad, PICTURES[:2]]
    pending = [submitted(engine, {"canvas": pictures}) for pictures in batches]
    for pictures, one in zip(batches, pending, strict=True):
        if pictures is bad:
            with pytest.raises(EngineError, match="made to fail at this batch"):
                one.result()
        else:
            np.testing.assert_array_equal(one.result()["scores"], expected["scores"])
    engine.close()


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({}, r"expected \['canvas'\], got \[\]"),
        ({"images": PICTURES}, r"expected \['canvas'\], got \['images'\]"),
        ({"canvas": PICTURES, "extra": PICTURES}, r"got \['canvas', 'extra'\]"),
        ({"canvas": PICTURES.astype(np.float32)}, r"expected canvas uint8 .* got float32"),
        ({"canvas": PICTURES[0]}, r"\(any, 96, 128, 3\), got uint8 \(96, 128, 3\)"),
        ({"canvas": PICTURES[:, :64]}, r"\(any, 96, 128, 3\), got uint8 \(4, 64, 128, 3\)"),
        ({"canvas": PICTURES.transpose(0, 3, 1, 2)}, r"got uint8 \(4, 3, 96, 128\)"),
    ],
)
def test_wrong_inputs_are_refused_with_what_was_expected(
    engine: Engine, inputs: dict[str, NDArray[np.generic]], complaint: str
) -> None:
    with pytest.raises(EngineError, match=complaint):
        engine.infer(inputs)


def test_closing_twice_is_quiet_and_a_closed_engine_refuses(engine: Engine) -> None:
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="was closed"):
        engine.infer({"canvas": PICTURES})


def test_the_spec_says_what_runs(engine: Engine) -> None:
    assert engine.spec.model == "tiny"
    assert engine.spec.canvas == CANVAS
    assert engine.spec.threads >= 1
    assert engine.spec.version


def test_only_poses_leave_the_device(engine: Engine) -> None:
    found = engine.infer({"canvas": PICTURES})
    assert sum(values.nbytes for values in found.values()) == 4 * engine.spec.result_bytes
    assert engine.spec.result_bytes == 30 * (17 * 3 + 1) * 4


def test_engines_agree_in_fp32(tiny_artefact: Artefact) -> None:
    one, other = openvino_fp32(tiny_artefact), onnxruntime_fp32(tiny_artefact)
    found, expected = one.infer({"canvas": PICTURES}), other.infer({"canvas": PICTURES})
    for name, values in expected.items():
        apart = found[name].astype(np.float32) - values.astype(np.float32)
        assert np.abs(apart).max() <= 1e-3
