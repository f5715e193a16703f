"""The rate of each parameter group at each step."""

import math
from typing import Any

from builders.training.recipe import Cosine, Recipe, Warmup


def rate_share(recipe: Recipe, step: int) -> float:
    """Of the highest rate, at a step, without warm-up."""
    schedule = recipe.schedule
    if isinstance(schedule, Cosine):
        return 0.5 * (1 + math.cos(math.pi * step / recipe.steps)) + schedule.floor
    return schedule.factor ** sum(step >= milestone for milestone in schedule.at)


def warm_share(warmup: Warmup, since: int) -> float:
    """Of the rate, `since` steps after a group began to learn; 0 before."""
    if since < 0:
        return 0.0
    if since >= warmup.steps:
        return 1.0
    if warmup.constant:
        return warmup.share
    return warmup.share + (1 - warmup.share) * (since + 1) / warmup.steps


def set_rates(recipe: Recipe, groups: list[dict[str, Any]], step: int) -> None:
    """Sets each group's rate; those that have not begun stand still."""
    share = rate_share(recipe, step)
    for group in groups:
        since = step - group["start"]
        group["lr"] = group["top"] * share * warm_share(recipe.warmup, since)
        for parameter in group["params"]:
            parameter.requires_grad_(since >= 0)
