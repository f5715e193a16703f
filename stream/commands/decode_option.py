"""The option that says what decodes a video."""

from typing import Annotated

import typer

from stream.ingest.decode_ladder import DecodeWish

DecodeOption = Annotated[
    DecodeWish,
    typer.Option(
        help="What decodes: nvdec is NVIDIA's decoder, with the processor's where that fails; auto "
        "takes it where this machine has such a GPU."
    ),
]
