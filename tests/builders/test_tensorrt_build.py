"""Real plans, built with TensorRT-RTX on a machine without a GPU."""

import subprocess
import sys
from pathlib import Path
from types import MappingProxyType, ModuleType

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from builders.graph_precision import graph_in_precision
from builders.tensorrt_build import PlanRequest, build_plan
from engines.artefact import Artefact, TensorSpec
from engines.certification.picture_set import drawn_set
from engines.certification.probe import probe_inputs
from engines.engine import Precision
from engines.engine_options import EngineOptions
from engines.engine_store import EngineStore
from engines.open_engine import EngineName, open_engine
from engines.tensorrt_backend import (
    RTX_RUNTIME_NAMES,
    RUNTIME_NAMES,
    Backend,
    Capability,
    Flavour,
    load_backend,
    missing_names,
)
from engines.tensorrt_engine import PLAN_NAME
from engines.zoo_models import find_model, list_models
from stream.errors import EngineError
from tests.builders.tensorrt_packages import lacks, lean_folder, need_rtx
from tests.command_line import assert_one_line_error, environment, posestream
from tests.tiny_model import draw_people

pytestmark = pytest.mark.slow  # CI installs what it needs before the slow tests

CANVAS = (128, 96)
ADA: Capability = (8, 9)


@pytest.fixture(scope="module")
def rtx() -> Backend:
    need_rtx()
    return load_backend(Flavour.TENSORRT_RTX)


def request_for(
    artefact: Artefact,
    contents: bytes | None = None,
    precision: Precision = Precision.FP32,
    target: Capability = ADA,
    batches: tuple[int, ...] = (1, 8),
) -> PlanRequest:
    return PlanRequest(
        onnx=contents or artefact.onnx_path.read_bytes(),
        manifest=artefact.manifest,
        canvas=artefact.manifest.canvases[0],
        batches=batches,
        precision=precision,
        target=target,
    )


def silent(_line: str) -> None:
    """Nobody reads the steps."""


def tensors(specs: tuple[TensorSpec, ...]) -> dict[str, tuple[str, tuple[int | None, ...]]]:
    return {spec.name: (spec.dtype, spec.shape) for spec in specs}


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
@pytest.mark.parametrize("name", [manifest.name for manifest in list_models()])
def test_every_shipped_graph_builds_and_keeps_its_contract(
    rtx: Backend, name: str, precision: Precision
) -> None:
    artefact = find_model(name)
    contents = graph_in_precision(artefact, precision, None, silent)
    steps: list[str] = []
    plan = build_plan(rtx, request_for(artefact, contents, precision), steps.append)
    assert len(plan.contents) > 100_000
    assert tensors(plan.inputs) == tensors(artefact.manifest.inputs)
    assert tensors(plan.outputs) == tensors(artefact.manifest.outputs)
    assert steps[0].startswith("parses ")


@pytest.mark.parametrize("name", [manifest.name for manifest in list_models()])
def test_the_fp16_file_that_is_built_computes_what_the_fp32_file_computes(name: str) -> None:
    """ONNX Runtime runs the very bytes that TensorRT parses."""
    artefact = find_model(name)
    manifest = artefact.manifest
    rows = probe_inputs(manifest, drawn_set(), manifest.canvases[0])
    some = {input_name: values[3:4] for input_name, values in rows.items()}
    names = [spec.name for spec in manifest.outputs]
    half = graph_in_precision(artefact, Precision.FP16, None, silent)
    found, expected = (
        onnxruntime.InferenceSession(contents, providers=["CPUExecutionProvider"]).run(names, some)
        for contents in (half, artefact.onnx_path.read_bytes())
    )
    for output, mine, wanted in zip(names, found, expected, strict=True):
        if wanted.ndim == 2:  # scores of candidates, which may change places
            assert wanted.max() > manifest.thresholds.min_score
            np.testing.assert_allclose(np.sort(mine), np.sort(wanted), atol=0.02)
        elif manifest.stage in ("top_down", "refiner"):
            assert np.median(np.abs(mine - wanted)) < 0.5, f"{output}: crop pixels"


@pytest.mark.parametrize("name", [manifest.name for manifest in list_models()])
def test_pixels_are_cast_before_anything_else_in_every_shipped_graph(name: str) -> None:
    artefact = find_model(name)
    bytes_in = {spec.name for spec in artefact.manifest.inputs if spec.dtype == "uint8"}
    graph = onnx.load(artefact.onnx_path).graph
    takers = [node for node in graph.node if bytes_in & set(node.input)]
    assert {node.op_type for node in takers} == ({"Cast"} if bytes_in else set())


def test_the_parser_refuses_pixels_that_are_moved_before_they_are_cast(
    rtx: Backend, tiny_artefact: Artefact
) -> None:
    """Why graphs are exported so; if a version comes to take it, this says so."""
    model = onnx.load(tiny_artefact.onnx_path)
    nodes = model.graph.node
    [cast] = [node for node in nodes if "pixels" in node.output]
    [transpose] = [node for node in nodes if "pixels" in node.input]
    assert (cast.op_type, transpose.op_type) == ("Cast", "Transpose")
    how_cast, how_moved = list(cast.attribute), list(transpose.attribute)
    for node, operator, how in ((cast, "Transpose", how_moved), (transpose, "Cast", how_cast)):
        node.op_type = operator
        del node.attribute[:]
        node.attribute.extend(how)
    with pytest.raises(EngineError, match="first input has type UInt8"):
        build_plan(rtx, request_for(tiny_artefact, model.SerializeToString()), silent)


def test_without_a_profile_for_the_batch_nothing_is_built(
    rtx: Backend, tiny_artefact: Artefact
) -> None:
    with pytest.raises(EngineError, match=r"cannot build model tiny .*optimization profile"):
        build_plan(rtx, request_for(tiny_artefact, batches=()), silent)


def test_fp8_is_refused_for_what_cannot_do_it(rtx: Backend, tiny_artefact: Artefact) -> None:
    with pytest.raises(EngineError, match=r"fp8 needs compute capability 8.9 .*got 8.6"):
        build_plan(rtx, request_for(tiny_artefact, precision=Precision.FP8, target=(8, 6)), silent)


def fp8_graph() -> bytes:
    """The tiny model's contract over a convolution in float8."""
    fp8 = TensorProto.FLOAT8E4M3FN
    node = helper.make_node
    weights = np.zeros((1, 3, 3, 3), np.float32)
    scale = numpy_helper.from_array(np.array(0.1, np.float32), "scale")
    zero = helper.make_tensor("zero", fp8, (), [0.0])
    stored = helper.make_tensor("weights", fp8, weights.shape, weights.ravel().tolist())
    ints = {"flat": [0, -1], "top": [30], "last": [2, 3]}
    more = [numpy_helper.from_array(np.array(value, np.int64), key) for key, value in ints.items()]
    ones = numpy_helper.from_array(np.ones((1, 1, 17, 3), np.float32), "ones")
    nodes = [
        node("Cast", ["canvas"], ["pixels"], to=TensorProto.FLOAT),
        node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        node("QuantizeLinear", ["planes", "scale", "zero"], ["q"]),
        node("DequantizeLinear", ["q", "scale", "zero"], ["dq"]),
        node("DequantizeLinear", ["weights", "scale", "zero"], ["w"]),
        node("Conv", ["dq", "w"], ["map"]),
        node("Reshape", ["map", "flat"], ["cells"]),
        node("TopK", ["cells", "top"], ["scores", "index"], axis=1),
        node("Unsqueeze", ["scores", "last"], ["columns"]),
        node("Mul", ["columns", "ones"], ["keypoints"]),
    ]
    graph = helper.make_graph(
        nodes,
        "fp8",
        [helper.make_tensor_value_info("canvas", TensorProto.UINT8, ["B", "H", "W", 3])],
        [
            helper.make_tensor_value_info("keypoints", TensorProto.FLOAT, ["B", 30, 17, 3]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["B", 30]),
        ],
        [scale, zero, stored, ones, *more],
    )
    opset = helper.make_opsetid("", 19)
    return bytes(helper.make_model(graph, opset_imports=[opset], ir_version=9).SerializeToString())


def test_the_library_itself_refuses_fp8_below_8_9(rtx: Backend, tiny_artefact: Artefact) -> None:
    contents = fp8_graph()
    build_plan(rtx, request_for(tiny_artefact, contents, Precision.FP8), silent)
    with pytest.raises(EngineError, match="cannot build model tiny"):
        # Called fp16, so that not our own check but the library answers.
        build_plan(rtx, request_for(tiny_artefact, contents, Precision.FP16, (8, 6)), silent)


def test_more_than_3840_candidates_are_refused(rtx: Backend, tiny_artefact: Artefact) -> None:
    model = onnx.load(tiny_artefact.onnx_path)
    for item in model.graph.initializer:
        if item.name == "top":
            item.CopyFrom(numpy_helper.from_array(np.array([3841], np.int64), "top"))
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_value = 3841
    manifest = tiny_artefact.manifest
    more = tuple(
        spec.model_copy(update={"shape": (None, 3841, *spec.shape[2:])})
        for spec in manifest.outputs
    )
    wide = Artefact(tiny_artefact.folder, manifest.model_copy(update={"outputs": more}))
    with pytest.raises(EngineError, match=r"cannot build model tiny .*3840"):
        build_plan(rtx, request_for(wide, model.SerializeToString()), silent)


def test_a_graph_that_the_parser_lacks_is_refused_with_its_words(
    rtx: Backend, tiny_artefact: Artefact
) -> None:
    model = onnx.load(tiny_artefact.onnx_path)
    [sign] = [node for node in model.graph.node if node.op_type == "Sign"]
    sign.op_type, sign.domain = "Mystery", "nobody"
    with pytest.raises(EngineError, match=r"cannot parse model tiny: .*other operators"):
        build_plan(rtx, request_for(tiny_artefact, model.SerializeToString()), silent)


def test_a_graph_with_another_contract_is_refused(rtx: Backend, tiny_artefact: Artefact) -> None:
    manifest = tiny_artefact.manifest
    fewer = tuple(
        spec.model_copy(update={"shape": (None, 20, *spec.shape[2:])}) for spec in manifest.outputs
    )
    other = Artefact(tiny_artefact.folder, manifest.model_copy(update={"outputs": fewer}))
    with pytest.raises(EngineError, match="the manifest declares"):
        build_plan(rtx, request_for(other), silent)


def test_a_target_that_it_does_not_know_is_refused(rtx: Backend, tiny_artefact: Artefact) -> None:
    with pytest.raises(EngineError, match=r"compute capability 9.0; it builds for 7.5, 8.0, 8.6"):
        build_plan(rtx, request_for(tiny_artefact, target=(9, 0)), silent)


def test_opening_without_a_gpu_says_so_and_does_not_crash(
    rtx: Backend, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    assert rtx.version
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")
    with pytest.raises(EngineError, match=r"no NVIDIA driver .*--engine openvino"):
        open_engine(
            tiny_artefact,
            engine=EngineName.TENSORRT_RTX,
            canvas=CANVAS,
            options=EngineOptions(store=EngineStore(tmp_path)),
        )


def test_a_run_without_a_gpu_ends_with_one_line_and_no_crash_at_exit(
    rtx: Backend, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    assert rtx.version
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")
    cv2.imwrite(str(tmp_path / "people.png"), draw_people(128, 96, {(40, 40): 255}))
    words = ("run", tmp_path, "--model", tiny_artefact.folder, "--engine", "tensorrt_rtx")
    finished = posestream(*words, cwd=tmp_path)
    assert_one_line_error(finished, 1, "no NVIDIA driver", "--engine openvino")


@pytest.mark.parametrize("version", ["10.16", "11.4"])
def test_the_names_that_run_a_plan_are_there_in_full_tensorrt(version: str) -> None:
    found, missing = lacks(lean_folder(version), RUNTIME_NAMES)
    assert found.startswith(version)
    assert missing == []


def test_the_names_of_rtx_are_not_all_in_full_tensorrt() -> None:
    """So the test above can fail."""
    _, missing = lacks(lean_folder("11.4"), RTX_RUNTIME_NAMES)
    assert "Runtime.get_engine_validity" in missing


@pytest.mark.parametrize("version", ["10.12.0", "12.0.1"])
def test_a_version_out_of_range_is_refused(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    other = ModuleType("tensorrt")
    other.__dict__["__version__"] = version
    monkeypatch.setitem(sys.modules, "tensorrt", other)
    with pytest.raises(
        EngineError, match=rf"tensorrt {version}: expected 10.13 or later, below 12"
    ):
        load_backend(Flavour.TENSORRT)


def test_a_package_that_lacks_a_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("tensorrt")
    other.__dict__["__version__"] = "11.4.0"
    monkeypatch.setitem(sys.modules, "tensorrt", other)
    with pytest.raises(EngineError, match=r"tensorrt 11.4.0 lacks ILogger.Severity"):
        load_backend(Flavour.TENSORRT)
    assert missing_names(other, MappingProxyType({"Runtime": ("x",)})) == ["Runtime.x"]


@pytest.mark.parametrize("flavour", Flavour)
def test_a_missing_package_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, flavour: Flavour
) -> None:
    for name in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EngineError, match=r"is not installed .*pip install 'posestream\[tensorrt"):
        load_backend(flavour)


LOAD = """
import subprocess
import sys
from pathlib import Path
from engines.engine_store import StoreEntry
from engines.nvidia_driver import Gpu
from engines.tensorrt_backend import Flavour, load_backend
from engines.tensorrt_engine import _LoadedPlan
from engines.artefact import load_artefact
from stream.errors import EngineError

artefact = load_artefact(Path(sys.argv[1]))
entry = StoreEntry(Path(sys.argv[2]), {})
try:
    _LoadedPlan(load_backend(Flavour.TENSORRT_RTX), artefact, entry, Gpu("Test", (8, 9), "13.0"))
except EngineError as error:
    print(error)
"""


@pytest.mark.parametrize("plan", ["whole", "cut", "empty", "noise"])
def test_a_plan_that_cannot_be_loaded_is_told_and_nothing_crashes_at_exit(
    rtx: Backend, tiny_artefact: Artefact, tmp_path: Path, plan: str
) -> None:
    """Without a GPU the whole plan does not load either: the library finds no device."""
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU: the whole plan may load")
    whole = build_plan(rtx, request_for(tiny_artefact), silent).contents
    noise = np.random.default_rng(0).bytes(len(whole))
    contents = {"whole": whole, "cut": whole[:1000], "empty": b"", "noise": noise}[plan]
    (tmp_path / PLAN_NAME).write_bytes(contents)
    finished = subprocess.run(
        [sys.executable, "-c", LOAD, str(tiny_artefact.folder), str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert "tensorrt_rtx plan of model tiny" in finished.stdout
    assert finished.stdout.count("--engine openvino") + finished.stdout.count("--rebuild") == 1
