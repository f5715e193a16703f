"""Which engine of which model a command is about."""

from dataclasses import dataclass, replace
from pathlib import Path

from engines.artefact import Artefact
from engines.cascade.models import split_models
from engines.certification.picture_set import PictureSet, drawn_set, folder_set
from engines.engine import Engine, Precision
from engines.engine_options import EngineOptions
from engines.engine_store import EngineStore, default_store_root
from engines.open_engine import EngineName, open_engine
from engines.shape_buckets import checked_buckets
from engines.zoo_models import find_model
from stream.errors import ConfigError

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class ChosenEngine:
    """The options that `certify` and `bench` share; see `stream/commands/engine_commands.py`."""

    model: str
    engine: str = AUTO
    precision: str = AUTO
    pictures: Path | None = None
    threads: int | None = None
    cache: Path | None = None

    @property
    def store(self) -> EngineStore:
        """Of built engines and certificates."""
        return EngineStore(self.cache or default_store_root())

    def find_artefact(self) -> Artefact:
        """The model.

        Raises:
            ArtefactError: if there is none of that name, or it is not whole.
            ConfigError: if these are several.
        """
        names = split_models(self.model)
        if len(names) > 1:
            raise ConfigError(f"model {self.model!r}: these are several, name one of them")
        return find_model(names[0])

    def picture_set(self) -> PictureSet:
        """The user's pictures, or the drawn people.

        Raises:
            ConfigError: if the folder has no pictures.
        """
        return folder_set(self.pictures) if self.pictures else drawn_set()

    def of_engine(self, words: str) -> "ChosenEngine":
        """These settings for another engine, `ENGINE` or `ENGINE:PRECISION`.

        Raises:
            ConfigError: if there is no such engine or precision.
        """
        engine, _, precision = words.partition(":")
        known = [name.value for name in EngineName], [*Precision, AUTO]
        if engine not in known[0] or (precision or AUTO) not in known[1]:
            raise ConfigError(
                f"engine {words!r}: expected one of {', '.join(known[0])}, and perhaps one of "
                f":{', :'.join(Precision)}"
            )
        return replace(self, engine=engine, precision=precision or AUTO)

    def open(self, artefact: Artefact, canvas: tuple[int, int], batches: tuple[int, ...]) -> Engine:
        """The engine, warm.

        Raises:
            EngineError: if it does not open here.
            ConfigError: if `threads` is out of range.
        """
        return open_engine(
            artefact,
            engine=EngineName(self.engine),
            canvas=canvas,
            threads=self.threads,
            precision=None if self.precision == AUTO else Precision(self.precision),
            options=EngineOptions(batches, self.store),
        )


def batch_sizes(text: str) -> tuple[int, ...]:
    """Of "1,8,32".

    Raises:
        ConfigError: if it is no list of numbers, or one is out of range.
    """
    return checked_buckets(whole_numbers("batch", text))


def whole_numbers(option: str, text: str) -> tuple[int, ...]:
    """Of "1,8,32".

    Raises:
        ConfigError: if it is no list of numbers.
    """
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise ConfigError(f"{option}: expected numbers like 1,8,32, got {text!r}") from error


def refuse_for_cascades(chosen: ChosenEngine, batch: str, compare: tuple[str, str] | None) -> None:
    """Options that are about one engine.

    Raises:
        ConfigError: naming those that were given.
    """
    given = {"--pictures": chosen.pictures, "--compare": compare, "--batch": batch != "1"}
    if wrong := [option for option, value in given.items() if value]:
        raise ConfigError(
            f"bench {chosen.model}: {', '.join(wrong)} is for one model; several are timed as "
            "`posestream run` runs them, by the number of people in a frame (--people)"
        )
