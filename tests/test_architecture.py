"""The rules of the house that no linter knows: who may import, own and start what."""

import ast
import re
import statistics
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatch
from importlib.metadata import packages_distributions

import pytest

from tests.source_tree import (
    PACKAGES,
    REPOSITORY,
    Import,
    SourceFile,
    calls,
    function_lines,
    functions,
    imports,
    parse,
    source_files,
    tracked_files,
)

VALUE_MODULES = {
    "stream.clock",
    "stream.crops",
    "stream.device_picture",
    "stream.errors",
    "stream.estimator",
    "stream.frame",
    "stream.geometry",
    "stream.oks",
    "stream.picture",
    "stream.pixel_copies",
    "stream.pose",
    "stream.skeleton",
    "stream.tracking.carrying",
}
"""What engines and builders may import of `stream`: values and pure functions, no pipeline. Where
people are believed to be (`carrying`) stands for a search in cascades: engines ask for it."""

SOURCE_MODULES = {"stream.ingest"}
"""What builders may import besides: they read pictures from the same videos as the pipeline."""

COMMAND_LINE = ("stream/__main__.py", "stream/commands/*.py")

OWNERS = {
    "av": (
        "stream/ingest/*.py",
        "stream/sinks/*video*.py",
        "stream/commands/doctor*.py",
        "stream/camera/read_clip.py",
    ),
    "openvino": ("engines/openvino_package.py",),
    "onnxruntime": ("engines/onnxruntime_engine.py", "builders/*.py"),
    "onnx": ("builders/*.py",),
    # Of the engines, only those on a GPU need it: memory, streams and graphs are its.
    "torch": ("builders/*.py", "engines/cuda_batch.py"),
    # The kernels before the engines run through it; torch gives memory and order.
    "pycuda": ("engines/preprocessing/pycuda_kernels.py",),
    "nncf": ("builders/*.py",),
    "redis": (
        "stream/sinks/redis_sink.py",
        "stream/sinks/redis_client.py",
        "stream/delivery/redis_target.py",
    ),
    "pyarrow": ("stream/sinks/parquet_sink.py",),
    "prometheus_client": (
        "stream/api/recent_histograms.py",
        "stream/api/system_view.py",
        "stream/metrics.py",
        "stream/cascade_metrics.py",
        "stream/daemon_metrics.py",
        "stream/job_metrics.py",
        "stream/metrics_server.py",
        "stream/traffic_metrics.py",
    ),
    "typer": (*COMMAND_LINE, "builders/*.py"),
    "multiprocessing": ("stream/worker.py",),
    "threading": (
        "stream/worker.py",
        "stream/channel.py",
        "stream/metrics_server.py",
        "stream/delivery/lane.py",
        "stream/delivery/courier.py",
        "stream/fleet/outbox.py",
        "stream/fleet/inbox.py",
        "stream/jobs/shared_estimator.py",
        "stream/jobs/job.py",
        "stream/jobs/job_progress.py",
    ),
    "concurrent": ("stream/worker.py",),
    "asyncio": (
        *(f"stream/camera/{name}.py" for name in ("carrier", "player", "connection", "server")),
        "stream/api/*.py",
    ),
    "fastapi": ("stream/api/*.py",),
    "starlette": ("stream/api/*.py",),
    "uvicorn": ("stream/api/server.py",),
}
"""Package -> the only files that may import it. `metrics_server.py` is the one named exception to
"only worker.py starts threads": a scrape must be answered while the pipeline is busy. `channel.py`
and what is named in `delivery` and `jobs` hand values from one thread to another and start none."""

STARTERS = {"Thread", "Timer", "Process", "Popen", "fork", "spawn", "start_http_server"}
MAY_START = ("stream/worker.py", "stream/metrics_server.py", "builders/cuda_kernels.py")
"""The builder of kernels runs CUDA's compiler, which is a program and no library."""

DUMPING_GROUNDS = {"utils", "util", "helpers", "common", "base", "core", "manager", "misc"}
SHARED_NAMES = {"main"}
"""Names that mean the same wherever they stand."""

MACHINE_PATHS = re.compile(r"/wor[k]/|/roo[t]/|/tm[p]/|/hom[e]/|/op[t]/wheels|\.pyen[v]")
MAX_FILE_LINES = 400
MEDIAN_FUNCTION_LINES = 10
P90_FUNCTION_LINES = 45


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def _within(target: str, modules: set[str]) -> bool:
    return any(target == module or target.startswith(f"{module}.") for module in modules)


def _may_import(file: SourceFile, target: str) -> bool:
    """Whether the direction builders -> engines -> values of stream allows this import."""
    top = target.split(".", 1)[0]
    if top not in PACKAGES or top == file.package:
        return True
    if file.package == "stream":
        return top == "engines" and _matches(file.path, COMMAND_LINE)
    if file.package == "engines":
        return top == "stream" and _within(target, VALUE_MODULES)
    return top == "engines" or _within(target, VALUE_MODULES | SOURCE_MODULES)


def _wrong_directions(file: SourceFile) -> list[Import]:
    return [found for found in imports(file) if not _may_import(file, found.target)]


def _strays(file: SourceFile) -> list[Import]:
    """Imports of a package outside the files that own it."""
    return [
        found
        for found in imports(file)
        if found.top in OWNERS and not _matches(file.path, OWNERS[found.top])
    ]


def _starts(file: SourceFile) -> list[str]:
    """Calls that start a thread or a process."""
    return [
        f"{file.path}:{line} calls {name}"
        for line, name in calls(file)
        if name.rsplit(".", 1)[-1] in STARTERS or name.startswith("subprocess.")
    ]


def _assert_none(found: Iterable[object]) -> None:
    listed = "\n".join(str(item) for item in found)
    assert not listed, f"found:\n{listed}"


def _declared(requirements: Iterable[str]) -> set[str]:
    """Distribution names of requirement lines."""
    return {_normal(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in requirements}


def _normal(name: str) -> str:
    """The one spelling of a distribution's name (packaging specification, name normalisation)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _ninth_decile(lengths: list[int]) -> float:
    return statistics.quantiles(lengths, n=10, method="inclusive")[-1]


ALL_FILES = source_files(*PACKAGES)


def test_imports_run_from_builders_to_engines_to_the_values_of_stream() -> None:
    _assert_none(found for file in ALL_FILES for found in _wrong_directions(file))


def test_heavy_packages_are_imported_only_by_their_owner() -> None:
    _assert_none(found for file in ALL_FILES for found in _strays(file))


def test_only_the_worker_and_the_metrics_server_start_threads_or_processes() -> None:
    outsiders = [file for file in ALL_FILES if not _matches(file.path, MAY_START)]
    _assert_none(start for file in outsiders for start in _starts(file))


def test_no_import_is_relative() -> None:
    found = [item for file in source_files(*PACKAGES, "tests") for item in imports(file)]
    _assert_none(item for item in found if item.target.startswith("."))


def test_nothing_prints() -> None:
    _assert_none(
        f"{file.path}:{line}" for file in ALL_FILES for line, name in calls(file) if name == "print"
    )


def test_package_files_hold_words_only() -> None:
    packages = [file for file in ALL_FILES if file.path.endswith("__init__.py")]
    _assert_none(file.path for file in packages if not ast.get_docstring(file.tree))
    _assert_none(file.path for file in packages if len(file.tree.body) > 1)


def test_tests_are_no_packages() -> None:
    _assert_none((REPOSITORY / "tests").rglob("__init__.py"))


def test_no_module_is_a_dumping_ground() -> None:
    parts = {part for file in source_files(*PACKAGES, "tests") for part in file.module.split(".")}
    assert parts & DUMPING_GROUNDS == set()


def test_files_stay_short() -> None:
    files = source_files(*PACKAGES, "tests")
    _assert_none(f"{file.path}: {file.lines}" for file in files if file.lines > MAX_FILE_LINES)


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_stay_short(package: str) -> None:
    lengths = [function_lines(f) for file in source_files(package) for f in functions(file)]
    assert statistics.median(lengths) < MEDIAN_FUNCTION_LINES
    assert _ninth_decile(lengths) <= P90_FUNCTION_LINES


def test_a_public_name_is_defined_once() -> None:
    owners: dict[str, list[str]] = defaultdict(list)
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for file in ALL_FILES:
        for node in file.tree.body:
            if isinstance(node, kinds) and not node.name.startswith("_"):
                owners[node.name].append(file.path)
    _assert_none(
        f"{name} in {' and '.join(paths)}"
        for name, paths in owners.items()
        if len(paths) > 1 and name not in SHARED_NAMES
    )


def test_every_package_folder_is_packed() -> None:
    """The list in pyproject.toml is explicit, so a new folder must be added by hand."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    packed = set(settings["tool"]["setuptools"]["packages"])
    assert packed == {file.module for file in ALL_FILES if file.path.endswith("__init__.py")}


def test_every_imported_package_is_declared() -> None:
    """`stream` and `engines` must run without the extra that brings torch, but for the GPU."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    run = _declared(project["dependencies"] + extras["onnxruntime"])
    extra = {
        "builders/*.py": _declared(extras["train"] + extras["build"]),
        "engines/cuda_batch.py": _declared(extras["gpu"]),
        "engines/preprocessing/pycuda_kernels.py": _declared(extras["pycuda"]),
        "stream/sinks/parquet_sink.py": _declared(extras["parquet"]),
    }
    owners = packages_distributions()  # what is not installed is taken by its own name
    _assert_none(
        found
        for file in ALL_FILES
        for found in imports(file)
        if found.top not in sys.stdlib_module_names and found.top not in PACKAGES
        if not {_normal(name) for name in owners.get(found.top, [found.top])}
        & run.union(*(names for path, names in extra.items() if fnmatch(file.path, path)))
    )


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {(REPOSITORY / file.path).parent for file in ALL_FILES}
    _assert_none(folder for folder in folders if not (folder / "__init__.py").is_file())


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    texts = {path: path.read_bytes().decode("utf-8", errors="ignore") for path in tracked_files()}
    found = {path: MACHINE_PATHS.search(text) for path, text in texts.items()}
    _assert_none(f"{path} names {match.group()}" for path, match in found.items() if match)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("stream/inline.py", "import engines.engine"),
        ("stream/inline.py", "def f():\n    from builders import export"),
        ("engines/estimator.py", "from stream.sinks import sink"),
        ("engines/estimator.py", "import builders.export"),
        ("builders/export.py", "import stream.worker"),
    ],
)
def test_an_import_against_the_direction_is_found(path: str, text: str) -> None:
    assert len(_wrong_directions(parse(path, text))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("stream/commands/run.py", "from engines import open_engine"),
        ("engines/estimator.py", "from stream.frame import Frame"),
        (
            "builders/export.py",
            "from engines.artefact import Manifest\nimport stream.ingest.source",
        ),
    ],
)
def test_an_import_along_the_direction_passes(path: str, text: str) -> None:
    assert _wrong_directions(parse(path, text)) == []


def test_a_stray_heavy_import_is_found_inside_a_function_too() -> None:
    file = parse("stream/inline.py", "def f():\n    import torch.nn\n    from redis import Redis")
    assert [found.target for found in _strays(file)] == ["torch.nn", "redis.Redis"]


def test_a_started_thread_is_found_under_any_import_style() -> None:
    text = "threading.Thread(target=f)\nProcess(target=f)\nsubprocess.run(['ls'])"
    assert len(_starts(parse("stream/inline.py", text))) == 3


def test_the_docstring_does_not_count_as_function_length() -> None:
    [function] = functions(
        parse("a.py", 'def f():\n    """One.\n\n    Two.\n    """\n    return 1')
    )
    assert function_lines(function) == 2
