"""Options about cascades that several commands share."""

from typing import Annotated

import typer


def complete_models(incomplete: str) -> list[str]:
    """What may follow: names of models, after each + anew."""
    from engines.zoo_models import (  # noqa: PLC0415 - `--help` answers at once
        SHORT_NAMES,
        list_models,
    )

    before, joint, begun = incomplete.rpartition("+")
    names = [model.name for model in list_models()] + ([] if joint else list(SHORT_NAMES))
    return [before + joint + name for name in names if name.startswith(begun)]


ModelsOption = Annotated[
    str,
    typer.Option(
        "--model",
        help="Name or folder of a model, or of several with + between: "
        "DETECTOR+TOP_DOWN, ONE_PASS+REFINER; or `fast`, or `accurate`.",
        autocompletion=complete_models,
        metavar="NAME[+NAME…]",
    ),
]
DetectEveryOption = Annotated[
    int,
    typer.Option(
        "--detect-every",
        min=1,
        help="With several models: search whole frames for people once in N frames; between them "
        "the people known are followed.",
        metavar="N",
    ),
]
RefineBelowOption = Annotated[
    float,
    typer.Option(
        "--refine-below",
        min=0,
        max=1,
        help="With a refiner: refine poses of at most this mean confidence, and those in crowds; "
        "1 refines all.",
        metavar="CONFIDENCE",
    ),
]
RefineBudgetOption = Annotated[
    float | None,
    typer.Option(
        "--refine-budget",
        help="With a refiner: seconds for a frame; the surest poses are left when time is short.",
        show_default=False,
        metavar="SECONDS",
    ),
]
