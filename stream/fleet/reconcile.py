"""What must be done so that the streams there are become those that are wanted; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stream.fleet.stream_plan import StreamPlan


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of streams, each in the order of the plans. Whatever is in none is left alone."""

    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing is to be done."""
        return not (self.removed or self.changed or self.added)


def changes_to(present: Mapping[str, StreamPlan], wanted: Iterable[StreamPlan]) -> Changes:
    """The way from the streams that are present to those that are wanted; extra ones stay."""
    plans = {plan.name: plan for plan in wanted}
    return Changes(
        removed=tuple(n for n, plan in present.items() if n not in plans and not plan.is_extra),
        changed=tuple(n for n, plan in plans.items() if n in present and present[n] != plan),
        added=tuple(name for name in plans if name not in present),
    )
