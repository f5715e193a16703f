from pathlib import Path

import pytest

from engines.artefact import Artefact
from engines.engine import Precision
from engines.engine_store import EngineStore
from engines.nvidia_driver import Gpu
from engines.tensorrt_backend import Backend, Flavour, capability_target
from engines.tensorrt_engine import _first_built, plan_key, profile_batches
from stream.errors import EngineError

CANVAS = (128, 96)
GPU = Gpu("Test GPU", (8, 9), "13.0")


def backend(flavour: Flavour) -> Backend:
    """Enough of one to name things."""
    return Backend(flavour, None, "1.7.1")


@pytest.mark.parametrize("flavour", Flavour)
def test_plans_are_told_apart_by_canvas_precision_and_batches(
    tiny_artefact: Artefact, flavour: Flavour
) -> None:
    some = backend(flavour)
    keys = {
        plan_key(some, tiny_artefact, some.target_of(GPU), precision, (canvas, batches)).digest
        for precision in Precision
        for canvas in tiny_artefact.manifest.canvases
        for batches in ((1,), (1, 8))
    }
    assert len(keys) == len(Precision) * 3 * 2


def test_full_tensorrt_is_tied_to_the_machine_and_rtx_to_the_capability() -> None:
    assert backend(Flavour.TENSORRT).target_of(GPU) == "Test GPU sm89 driver 13.0"
    assert backend(Flavour.TENSORRT_RTX).target_of(GPU) == capability_target((8, 9)) == "sm89"


def test_the_plan_that_was_built_gives_the_batch_sizes(
    tiny_artefact: Artefact, tmp_path: Path
) -> None:
    store, rtx = EngineStore(tmp_path), backend(Flavour.TENSORRT_RTX)
    built = plan_key(rtx, tiny_artefact, "sm89", Precision.FP16, (CANVAS, (8, 1)))
    store.build(built, lambda _folder: {})
    wanted = [
        plan_key(rtx, tiny_artefact, "sm89", precision, (CANVAS, (1,)))
        for precision in (Precision.INT8, Precision.FP16)
    ]
    key, _ = _first_built(wanted, store, tiny_artefact)
    assert key.precision == "fp16"
    assert profile_batches(key.profile) == (1, 8)


def test_a_plan_of_another_canvas_or_machine_does_not_count(
    tiny_artefact: Artefact, tmp_path: Path
) -> None:
    store, rtx = EngineStore(tmp_path), backend(Flavour.TENSORRT_RTX)
    for target, canvas in (("sm89", (160, 96)), ("sm86", CANVAS)):
        key = plan_key(rtx, tiny_artefact, target, Precision.FP16, (canvas, (1,)))
        store.build(key, lambda _folder: {})
    wanted = plan_key(rtx, tiny_artefact, "sm89", Precision.FP16, (CANVAS, (1,)))
    with pytest.raises(EngineError, match=r"not built for sm89, 128x96; build it with: posestream"):
        _first_built([wanted], store, tiny_artefact)
