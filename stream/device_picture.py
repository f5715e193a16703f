"""A picture whose pixels are on a GPU; they come to the processor only if somebody looks there."""

from typing import Protocol

from stream.picture import ColourSpace, Picture, Plane


class DevicePlanes(Protocol):
    """The planes of a picture in the memory of a device, owned by this object."""

    @property
    def width(self) -> int:
        """Columns of luma."""
        ...

    @property
    def height(self) -> int:
        """Rows of luma."""
        ...

    def download(self) -> tuple[Plane, Plane, Plane]:
        """A copy in the memory of the processor: y, u, v as `Picture` has them; is counted."""
        ...


class DeviceTaker(Protocol):
    """Takes pictures over from the GPU's decoder."""

    def make_current(self) -> None:
        """Makes its CUDA context that of the calling thread, for decoders that join it.

        Raises:
            EngineError: if there is none.
        """
        ...

    def take(
        self, luma: object, chroma: object, space: ColourSpace, *, full_range: bool
    ) -> "DevicePicture":
        """A copy of a picture, made on the device: the decoder needs its own memory back.

        Args:
            luma: DLPack capsule of uint8 (H, W) on the device.
            chroma: DLPack capsule of uint8 (H / 2, W / 2, 2), pairs of u and v.
            space: the planes were made with.
            full_range: whether luma spans 0-255.
        """
        ...


class DevicePicture(Picture):
    """Stands for a `Picture` everywhere: its planes are fetched when they are first asked for.

    What knows how to work on the device takes `device` and fetches nothing. Overlays, previews and
    sinks that draw need not know where the pixels were.
    """

    __slots__ = ("_host", "device")

    device: DevicePlanes
    """The pixels, where they are."""
    _host: tuple[Plane, Plane, Plane] | None

    def __init__(self, device: DevicePlanes, space: ColourSpace, *, full_range: bool) -> None:
        # The parent is frozen, and its own planes are never filled.
        for name, value in (
            ("device", device),
            ("_host", None),
            ("colour_space", space),
            ("full_range", full_range),
        ):
            object.__setattr__(self, name, value)

    @property
    def y(self) -> Plane:
        """See `Picture.y`."""
        return self._planes()[0]

    @property
    def u(self) -> Plane:
        """See `Picture.u`."""
        return self._planes()[1]

    @property
    def v(self) -> Plane:
        """See `Picture.v`."""
        return self._planes()[2]

    @property
    def width(self) -> int:
        """See `Picture.width`."""
        return self.device.width

    @property
    def height(self) -> int:
        """See `Picture.height`."""
        return self.device.height

    def _planes(self) -> tuple[Plane, Plane, Plane]:
        if self._host is None:
            planes = self.device.download()
            Picture(*planes)  # checks shapes and types
            object.__setattr__(self, "_host", planes)
        assert self._host is not None  # noqa: S101 - set above
        return self._host
