from hypothesis import given
from hypothesis import strategies as st

from stream.fleet.reconcile import changes_to
from stream.fleet.stream_plan import StreamPlan
from tests.running_fleet import plan_of

SITES = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([1.0, 2.0, None]))


def plans(site: dict[str, float | None]) -> dict[str, StreamPlan]:
    return {name: plan_of(name, "rtsp://host/path", max_fps=fps) for name, fps in site.items()}


@given(SITES, SITES)
def test_what_is_there_becomes_what_is_wanted_and_no_more_is_touched(
    present: dict[str, float | None], wanted: dict[str, float | None]
) -> None:
    before, after = plans(present), plans(wanted)
    changes = changes_to(before, after.values())
    touched = {*changes.added, *changes.changed, *changes.removed}
    assert len(touched) == len(changes.added) + len(changes.changed) + len(changes.removed)
    made = {name: plan for name, plan in before.items() if name not in changes.removed}
    made |= {name: after[name] for name in (*changes.added, *changes.changed)}
    assert made == after
    assert all(before[name] == after[name] for name in {*before, *after} - touched)
    assert changes_to(made, after.values()).is_empty


def test_what_was_added_while_the_daemon_ran_is_not_removed_but_taken_over() -> None:
    extra = plan_of("extra", "rtsp://host/path", is_extra=True)
    assert changes_to({"extra": extra}, []).is_empty
    named = plan_of("extra", "rtsp://host/path")
    assert changes_to({"extra": extra}, [named]).changed == ("extra",)
