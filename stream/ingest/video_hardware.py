"""FFmpeg's containers, opened for a step of the decode ladder: on NVIDIA's decoder or without.

What is known to go wrong there, and where it is met:

1. A plane's DLPack export refuses any stream: whoever takes pictures passes the bare capsule
   (`engines/preprocessing/device_frames.py`).
2. FFmpeg asks for the GPU's primary context with flags of its own, and is refused if somebody made
   it before: `_CONTEXTS` tries that first, then the context that is current.
3. Without a driver opening raises whatever `allow_software_fallback` says: caught in `open_video`.
   With it FFmpeg would also change over in silence: it is never asked to.
4. A decoder has few surfaces; one that is held stalls it: pictures are copied at once, on the GPU
   (`laddered_reader.py`).
5. PyAV swallows that a codec has no decoder on the GPU and decodes in software: `is_hwaccel` tells.
6. DLPack gives half of odd sides rounded down, and 10-bit formats as 16 bits: such pictures are not
   taken (`laddered_reader.py`).
"""

import errno
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.error import BugError, ExternalError, FFmpegError, UndefinedError, UnknownError

from stream.errors import HardwareDecodeError
from stream.ingest.decode_ladder import DecodeRung, StepReason
from stream.ingest.read_errors import read_error
from stream.ingest.video_address import VideoAddress

_DEVICES = ("/dev/nvidiactl", "/dev/dxg")
"""What NVIDIA's driver puts up; the second under Windows' Linux."""
_CONTEXTS: dict[DecodeRung, tuple[dict[str, object], ...]] = {
    DecodeRung.ZERO_COPY: ({"primary_ctx": "1"}, {"primary_ctx": "0", "current_ctx": "1"}),
    # The primary context again: one of its own for each stream would take hundreds of megabytes.
    DecodeRung.DOWNLOAD: ({"primary_ctx": "1"}, {}),
}
_DEVICE_ERRORS = (BugError, ExternalError, NotImplementedError, UndefinedError, UnknownError)
_DEVICE_ERRNOS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.ENOMEM, errno.ENODEV}
"""What CUDA's part of FFmpeg says; a file that may not be read is EACCES, a network never these."""


def has_nvidia_device() -> bool:
    """Whether there is such a GPU, by a look at this machine's devices: no library is loaded."""
    return any(Path(device).exists() for device in _DEVICES)


def open_video(address: VideoAddress, options: dict[str, str], rung: DecodeRung) -> InputContainer:
    """The container, its decoders as the rung wants them.

    Args:
        address: what to open.
        options: for demuxer and decoder.
        rung: of the ladder.

    Raises:
        HardwareDecodeError: if it is the GPU's decoder that cannot be opened.
        SourceError: if it is the source.
    """
    if rung is DecodeRung.SOFTWARE:
        return _open(address, options, None)
    refused = []
    for context in _CONTEXTS[rung]:
        hardware = HWAccel(
            "cuda",
            allow_software_fallback=False,
            options=dict(context),
            is_hw_owned=rung is DecodeRung.ZERO_COPY,
        )
        try:
            return _open(address, options, hardware)
        except HardwareDecodeError as error:
            refused.append(str(error))
    raise HardwareDecodeError("; ".join(dict.fromkeys(refused)), StepReason.OPEN_FAILED)


def _open(
    address: VideoAddress, options: dict[str, str], hardware: HWAccel | None
) -> InputContainer:
    options = {"protocol_whitelist": address.protocols, **options, **dict(address.options)}
    timeout = (address.open_seconds, address.read_seconds) if address.is_live else None
    try:
        return av.open(
            address.address,
            format=address.format,
            options=options,
            timeout=timeout,
            hwaccel=hardware,
        )
    except (FFmpegError, OSError, NotImplementedError) as error:
        # FFmpeg's error quotes the address with its login: it must not travel along.
        if hardware is not None and _is_of_device(error):
            words = getattr(error, "strerror", None) or type(error).__name__
            raise HardwareDecodeError(
                f"{address.shown}: the GPU's decoder cannot be opened: {words}; check the driver "
                "with nvidia-smi",
                StepReason.OPEN_FAILED,
            ) from None
        if isinstance(error, FFmpegError | OSError):
            raise read_error(address.shown, "cannot open", error, is_live=address.is_live) from None
        raise


def _is_of_device(error: Exception) -> bool:
    return isinstance(error, _DEVICE_ERRORS) or getattr(error, "errno", None) in _DEVICE_ERRNOS
