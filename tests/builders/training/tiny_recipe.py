"""The recipe of a run of one step on the pictures of `test_pyramid_tasks.two_pictures`."""

from typing import Any

import yaml


def tiny_recipe(**changed: Any) -> str:
    """As YAML, some of it otherwise."""
    own = {"name": "own", "kind": "coco", "annotations": "train.json", "pictures": ".", "share": 1}
    trunk = {"kind": "compact", "width": 0.25}
    task = {"trunk": trunk, "crop": {"width": 64, "height": 96}, "sets": [own]}
    recipe = {"name": "tiny", "network": "heatmap", "steps": 1, "batch": 2, "rate": 1e-3}
    return str(yaml.safe_dump(recipe | {"workers": 0, "task": task} | changed))
