"""Readers whose pictures lie in memory as those of a GPU's decoder."""

from collections.abc import Generator

from av.video.frame import VideoFrame

from stream.ingest.video_reader import VideoReader


class Nv12Reader(VideoReader):
    """Gives pictures as luma and pairs of chroma."""

    layout = "nv12"

    def frames(self) -> Generator[VideoFrame, None, None]:
        for frame in super().frames():
            yield frame.reformat(format=self.layout)


class DeepReader(Nv12Reader):
    """Gives pictures of 10 bits."""

    layout = "p010le"
