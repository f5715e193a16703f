"""What is wrong with a value, in words: for site files and for what comes over the API."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from stream.ingest.source_url import shown_url
from stream.site_file.field_names import known_names, nearest
from stream.site_file.yaml_tree import Step

MAX_SHOWN = 60
_NEVER_SHOWN = {"login", "password", "token", "user"}
Details = Mapping[str, Any]
"""One of pydantic's errors."""


def fault_in_words(model: type[BaseModel], details: Details, path: tuple[Step, ...]) -> str:
    """What was got, what is expected and the nearest known name; shows no secret.

    Args:
        model: what was to be made.
        details: of the fault.
        path: of the value, without the kinds of unions.
    """
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        known = known_names(model, details["loc"][:-1])
        return f"unknown name{_meant(str(path[-1]), known)}; there are: {', '.join(known)}"
    if kind == "missing":
        return "missing; it must be given"
    if kind == "union_tag_not_found":
        return "kind is missing; expected 'jsonl' or 'redis'"
    if kind == "value_error":
        return str(details["msg"]).removeprefix("Value error, ")
    if kind == "union_tag_invalid":
        got, expected = repr(context["tag"]), context["expected_tags"]
        return f"got kind {got}, expected {expected}{_meant(context['tag'], _quoted(expected))}"
    allowed = _quoted(context.get("expected", ""))
    meant = _meant(str(details["input"]), allowed) if kind in ("literal_error", "enum") else ""
    return f"got {_shown(details['input'], path)}, expected {_expected(details)}{meant}"


def _expected(details: Details) -> str:
    words = {
        "string_pattern_mismatch": "letters, digits and . _ - (up to 64, no sign in front)",
        "model_type": "a mapping of names to values",
        "dict_type": "a mapping of names to values",
        "tuple_type": "a list",
        "too_short": "at least one",
        "none_required": "nothing",
    }
    if details["loc"][-1:] == ("password",) and details["type"] == "model_type":
        return "env: NAME or file: PATH, never the password itself"
    told = str(details["msg"]).removeprefix("Input should ").removeprefix("be ")
    return words.get(details["type"], told)


def _quoted(text: str) -> list[str]:
    """The words between quotation marks."""
    return text.split("'")[1::2]


def _meant(word: str, known: Sequence[str]) -> str:
    found = nearest(word, known)
    return f"; did you mean {found!r}?" if found else ""


def _shown(value: object, path: tuple[Step, ...]) -> str:
    if _NEVER_SHOWN.intersection(step for step in path if isinstance(step, str)):
        return "something else"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = shown_url(str(value)) if isinstance(value, str) else repr(value)
    return repr(text[:MAX_SHOWN]) if isinstance(value, str) else text[:MAX_SHOWN]
