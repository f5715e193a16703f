"""Clips that many tests read, each written once."""

from collections.abc import Iterator

import pytest

from tests.media import Clips


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clips]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SVT_LOG", "0")  # SVT-AV1 would tell its life on standard error
        yield Clips(tmp_path_factory.mktemp("clips"))
