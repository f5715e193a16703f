"""Finds models: by name among those that ship with posestream, or by the path of a folder."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from engines.artefact import MANIFEST_NAME, Artefact, Manifest, load_artefact, load_manifest
from stream.errors import ArtefactError

ZOO = Path(__file__).parent / "zoo"
SHORT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "tiny": "bottom_up_tiny",
        "fast": "bottom_up_fast",
        "accurate": "person_detector+graph_pcnn",
    }
)
"""What users may write who do not care which models these are: fast ones, and the best of all."""


def list_models(zoo: Path = ZOO) -> list[Manifest]:
    """The manifests of all models in a zoo, by name.

    Raises:
        ArtefactError: if a manifest is wrong.
    """
    return [manifest for _, manifest in _shelf(zoo)]


def find_model(name: str, zoo: Path = ZOO) -> Artefact:
    """The model of that name in the zoo, else the model in the folder at that path.

    Raises:
        ArtefactError: if there is none (the nearest name is suggested, all are listed), or the
            folder is incomplete or altered.
    """
    folders = {manifest.name: folder for folder, manifest in _shelf(zoo)}
    if name in folders:
        return load_artefact(folders[name])
    if Path(name).is_dir():
        return load_artefact(Path(name))
    raise ArtefactError(_unknown(name, list(folders)))


def _shelf(zoo: Path) -> list[tuple[Path, Manifest]]:
    folders = [path.parent for path in zoo.glob(f"*/{MANIFEST_NAME}")]
    found = [(folder, load_manifest(folder)) for folder in folders]
    return sorted(found, key=lambda entry: entry[1].name)


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, [*known, *SHORT_NAMES], n=1, cutoff=0.4)
    hint = f", did you mean {near[0]!r}?" if near else ""
    names = ", ".join(known) or "none"
    return f"no model {name!r}{hint} (models: {names}; or give the path of a model folder)"
