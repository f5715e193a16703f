"""The graph of `tests/tiny_model.py` in torch, exported as the engine `torch` takes it."""

from pathlib import Path

import torch  # noqa: TID253 - imported only by tests that run torch
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

from engines.artefact import Artefact
from engines.engine_store import EngineStore
from engines.torch_engine import PROGRAM_NAME, program_key
from tests.tiny_model import CANDIDATES, FALL, OFFSETS_PX


class TinyTwin(nn.Module):
    """Bright squares are people."""

    tent: Tensor
    offsets: Tensor
    fall: Tensor

    def __init__(self) -> None:
        super().__init__()
        side = torch.tensor([1, 2, 3, 4, 3, 2, 1], dtype=torch.float32) / 16
        self.register_buffer("tent", torch.outer(side, side)[None, None])
        self.register_buffer("offsets", torch.from_numpy(OFFSETS_PX.copy()))
        self.register_buffer("fall", torch.from_numpy(FALL.copy()))

    def forward(self, canvas: Tensor) -> dict[str, Tensor]:
        """(B, H, W, 3) uint8 to keypoints and scores."""
        green = canvas[..., 1].float()[:, None]
        heat = ((functional.conv2d(green, self.tent, padding=3) - 127.5) / 127.5).relu()
        peaks = torch.where(heat == functional.max_pool2d(heat, 3, 1, 1), heat, -1.0)
        values, index = peaks.flatten(1).topk(CANDIDATES, dim=1)
        scores = values.relu()
        width = canvas.shape[2]
        middle = torch.stack([index % width, index // width], dim=2).float()
        joints = (middle[:, :, None] + self.offsets) * scores.sign()[..., None, None]
        confidence = scores[..., None] * self.fall
        return {"keypoints": torch.cat([joints, confidence[..., None]], dim=3), "scores": scores}


def store_twin(artefact: Artefact, canvas: tuple[int, int], store: EngineStore) -> None:
    """What `posestream build --engine torch` would leave for the tiny model."""
    example = torch.zeros((2, canvas[1], canvas[0], 3), dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1, max=64)

    def write(folder: Path) -> dict[str, str]:
        program = torch.export.export(
            TinyTwin().eval(), (example,), dynamic_shapes={"canvas": {0: batch}}
        )
        torch.export.save(program, folder / PROGRAM_NAME)
        return {}

    store.build(program_key(artefact, canvas), write)
