import pytest

from engines.artefact import Artefact
from engines.engine import Engine
from engines.lazy_engine import LazyEngine
from engines.openvino_engine import open_openvino
from stream.errors import EngineError


def test_it_is_opened_once_and_only_when_wanted(tiny_artefact: Artefact) -> None:
    made: list[Engine] = []

    def make() -> Engine:
        made.append(open_openvino(tiny_artefact, canvas=(128, 96)))
        return made[-1]

    lazy = LazyEngine("tiny", make)
    assert not lazy.specs
    assert not made
    assert lazy.opened() is lazy.opened() is made[0]
    assert list(lazy.specs) == [made[0].spec]
    lazy.close()
    lazy.close()
    assert not lazy.specs
    with pytest.raises(EngineError, match="model tiny was closed"):
        lazy.opened()
    assert len(made) == 1


def test_who_was_never_opened_can_be_closed() -> None:
    lazy = LazyEngine("tiny", lambda: pytest.fail("opened"))
    lazy.close()
    with pytest.raises(EngineError, match="closed"):
        lazy.opened()
