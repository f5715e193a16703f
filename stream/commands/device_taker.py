"""Whether pictures stay on the GPU: from its decoder through its engine."""

from engines.artefact import Artefact
from engines.engine import Precision
from engines.engine_options import EngineOptions
from engines.engine_store import EngineStore, default_store_root
from engines.open_engine import GPU_ENGINES, EngineName, has_nvidia_gpu, ready_gpu_engine
from engines.preprocessing.device_frames import HostCopies, TorchTaker
from engines.preprocessing.preprocessor import open_preprocessor
from stream.commands.run_settings import RunSettings
from stream.ingest.decode_ladder import DecodeWish
from stream.pixel_copies import TellCopies


def likely_engine(settings: RunSettings, artefact: Artefact) -> EngineName:
    """The engine that was asked for; for `auto` the GPU's, if it seems ready to run the model.

    Only opening it tells for sure. But the decoder is opened before, and has to know whether what
    comes after it takes pictures on the GPU.
    """
    if settings.engine != EngineName.AUTO.value:
        return EngineName(settings.engine)
    precision = None if settings.precision == "auto" else Precision(settings.precision)
    options = EngineOptions(store=EngineStore(settings.cache or default_store_root()))
    return ready_gpu_engine(artefact, precision, options) or EngineName.AUTO


def device_taker(
    engine: EngineName, decode: DecodeWish, tell_copies: TellCopies
) -> TorchTaker | None:
    """Takes pictures on the GPU where an engine works there; else None."""
    wanted = engine in GPU_ENGINES and decode is not DecodeWish.SOFTWARE
    if not wanted or not has_nvidia_gpu():
        return None
    copies = HostCopies(tell=tell_copies)
    return TorchTaker(copies=copies, open_preprocessor=open_preprocessor)
