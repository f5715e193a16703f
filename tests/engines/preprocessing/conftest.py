import shutil
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.engines.preprocessing.compiled_body import CompiledBody


@pytest.fixture(scope="session")
def compiled_body(tmp_path_factory: pytest.TempPathFactory) -> CompiledBody:
    """The kernels' arithmetic, built with this machine's compiler in a second."""
    if shutil.which("g++") is None:
        missing("no g++ here; apt-get install g++")
    folder: Path = tmp_path_factory.mktemp("kernels")
    return CompiledBody(folder)
