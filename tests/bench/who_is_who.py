"""The true people of the clips in which id switches are counted, as a file beside this module.

    python -m tests.bench.who_is_who --shared FOLDER [--kept FOLDER]

writes the file anew: the teacher's people, linked and joined (`true_tracks.py`). The points by
which the eye joined them suit the teacher as it was then; where another version of a library moves
its people, links break elsewhere and a point may lie at nobody. Hence the file.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.bench.clip_poses import Clips
from tests.bench.true_tracks import Seen, box_of, named, tracklets

TEACHER = "yolox_nano+movenet_thunder (box scores)"
POINTS = Path(__file__).parent / "true_people.json"
TRUTH = Path(__file__).parent / "true_tracks.npz"
STEPS = np.array([10, 10, 100], np.float32)
"""Of a pixel and of confidence, that are kept."""
Truth = Mapping[str, Mapping[int, Sequence[Seen]]]
"""By clip and person."""


def find_truth(clips: Clips) -> Truth:
    """The people as the teacher sees them now.

    Raises:
        ValueError: if a point lies at nobody, or at two people.
    """
    points = json.loads(POINTS.read_text("utf-8"))
    return {
        clip: named(tracklets(clips.poses(clip, TEACHER).people), people)
        for clip, people in points.items()
    }


def write_truth(truth: Truth, path: Path = TRUTH) -> None:
    """A compressed file: of each clip (N, 2) person and frame, (N, 17, 3) keypoints in `STEPS`."""
    arrays = {}
    for clip, people in truth.items():
        rows = [(person, one) for person, seen in people.items() for one in seen]
        arrays[f"{clip} who"] = np.array([(who, one.frame) for who, one in rows], np.int16)
        keypoints = np.array([one.keypoints for _, one in rows], np.float32).reshape(-1, 17, 3)
        arrays[f"{clip} keypoints"] = np.rint(keypoints * STEPS).astype(np.int16)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def read_truth(path: Path = TRUTH) -> dict[str, dict[int, list[Seen]]]:
    """What `write_truth` wrote."""
    truth: dict[str, dict[int, list[Seen]]] = {}
    with np.load(path) as arrays:
        for name in (name for name in arrays.files if name.endswith(" who")):
            clip = name.removesuffix(" who")
            people = truth.setdefault(clip, {})
            keypoints = arrays[f"{clip} keypoints"] / STEPS
            for (who, frame), one in zip(arrays[name].tolist(), keypoints, strict=True):
                people.setdefault(who, []).append(Seen(frame, one, box_of(one)))
    return truth


def main() -> None:
    """Finds and writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--kept", type=Path, default=None)
    options = parser.parse_args()
    write_truth(find_truth(Clips(options.shared, options.kept)))


if __name__ == "__main__":
    main()
