"""Which names the site file knows at a place, to suggest the nearest one."""

import difflib
from collections.abc import Iterable, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from stream.site_file.yaml_tree import Step


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant; None if none is near."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def known_names(model: type[BaseModel], path: Sequence[Step]) -> list[str]:
    """Fields of the mapping at a path, which may name the kind of a union on its way."""
    models = [model]
    for step in path:
        if isinstance(step, int):
            continue
        picked = [one for one in models if step in _kinds(one)]
        if picked:
            models = picked
            continue
        fields = [one.model_fields[step] for one in models if step in one.model_fields]
        models = [found for field in fields for found in _models_in(field.annotation)]
    return sorted({name for one in models for name in one.model_fields})


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation) if kind else ()


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Every model in an annotation, however it is wrapped."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Annotated, Union, UnionType, tuple):
        return [model for part in get_args(annotation) for model in _models_in(part)]
    return []
