"""Published names and shapes, written from the papers' code, are exactly those of our networks."""

import pytest
import torch

from builders.importing.checkpoint_file import State
from builders.importing.import_targets import ImportTarget, import_targets
from builders.importing.key_formats import KeyFormat, Translated
from builders.importing.strict_load import MAY_BE_MISSING
from builders.paper_networks import paper_networks
from tests.builders.importing.published_keys import PUBLISHED, hrnet, pose_hrnet, smpr_r50


def on_meta(name: str) -> tuple[ImportTarget, KeyFormat, Translated, State]:
    """A published checkpoint without numbers, translated; and our network's state."""
    target_name, shapes = PUBLISHED[name]
    target = import_targets()[target_name]
    with torch.device("meta"):
        published = {key: torch.empty(shape) for key, shape in shapes().items()}
        form = next(form for form in target.formats if form.recognises(published))
        return target, form, form.translate(published), target.make().state_dict()


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_every_published_name_has_its_place_and_no_other_is_wanted(name: str) -> None:
    _, form, translated, own = on_meta(name)
    given = {key: tuple(value.shape) for key, value in translated.state.items()}
    wanted = {
        key: tuple(value.shape)
        for key, value in own.items()
        if not (form.untrained and key.startswith(form.untrained))
    }
    lacking = wanted.keys() - given.keys()
    assert all(key.endswith(MAY_BE_MISSING) for key in lacking)
    assert given == {key: shape for key, shape in wanted.items() if key not in lacking}
    left = {key.split(".")[0] for key in translated.left_out}
    if PUBLISHED[name][0].endswith("_trunk"):
        assert left in ({"fc"}, {"incre_modules", "downsamp_modules", "final_layer", "classifier"})
    elif "inside DEKR" in name:
        assert not any("rescore_net" in key for key in translated.left_out)
    else:
        others = ("rescore_net", "regular_matrix")
        assert all(any(other in key for other in others) for key in translated.left_out)


def test_every_network_of_the_papers_has_a_published_form_or_none_was_published() -> None:
    covered = {target for target, _ in PUBLISHED.values()}
    assert paper_networks().keys() <= covered


def test_numbers_of_entries_are_those_that_were_counted_in_the_releases() -> None:
    assert len(pose_hrnet(32)) == 1754
    assert len(smpr_r50()) == 395
    assert "stage4.2.fuse_layers.1.0.0.0.weight" in hrnet(32, last_outputs=4)


def test_untrained_parts_are_named_and_start_as_they_were_made() -> None:
    _, form, translated, own = on_meta("graph_pcnn_hrnet_w32, start")
    assert form.untrained == ("refinement.",)
    fresh = [key for key in own if key not in translated.state]
    assert fresh
    assert all(key.startswith("refinement.") for key in fresh)
