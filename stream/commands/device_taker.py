"""Whether pictures stay on the GPU: from its decoder through its engine."""

from engines.preprocessing.device_frames import HostCopies, TorchTaker
from engines.preprocessing.preprocessor import open_preprocessor
from stream.commands.run_settings import RunSettings
from stream.ingest.decode_ladder import DecodeWish
from stream.ingest.video_hardware import has_nvidia_device
from stream.pixel_copies import TellCopies

GPU_ENGINES = {"torch", "tensorrt", "tensorrt_rtx"}


def device_taker(settings: RunSettings, tell_copies: TellCopies) -> TorchTaker | None:
    """Takes pictures on the GPU where an engine is asked for that works there; else None."""
    wanted = settings.engine in GPU_ENGINES and settings.decode is not DecodeWish.SOFTWARE
    if not wanted or not has_nvidia_device():
        return None
    copies = HostCopies(tell=tell_copies)
    return TorchTaker(copies=copies, open_preprocessor=open_preprocessor)
