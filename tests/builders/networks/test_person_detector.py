import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from builders.networks.centre_sampling import flat, locations
from builders.networks.person_detector import DetectorGraph, DetectorMaps, PersonDetector
from builders.networks.person_detector_loss import (
    DetectorLabels,
    detector_loss,
    detector_targets,
    may_answer,
    overlaps,
    pairwise_iou,
    quality_focal,
)
from builders.networks.yolox_nano import STRIDES

Array = NDArray[np.float64]
SIZES = ((12, 16), (6, 8), (3, 4))
"""Of the levels of a canvas of 128 x 96."""
BOXES = np.array([[10.0, 8, 30, 60], [40, 10, 120, 90], [12, 20, 26, 44], [100, 4, 112, 30]])


def random_maps(pictures: int) -> DetectorMaps:
    generator = torch.Generator().manual_seed(3)

    def levels(channels: int) -> tuple[torch.Tensor, ...]:
        return tuple(
            torch.randn(pictures, channels, *size, generator=generator, dtype=torch.float64)
            for size in SIZES
        )

    return DetectorMaps(levels(2), tuple(level.exp() for level in levels(4)))


def chance(logits: Array) -> float:
    return float(np.prod(1 / (1 + np.exp(-logits))))


class _Fixed(torch.nn.Module):
    def __init__(self, maps: DetectorMaps) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, _: torch.Tensor) -> DetectorMaps:
        return self.maps


def test_boxes_equal_a_worked_example() -> None:
    maps = random_maps(1)
    graph = DetectorGraph(PersonDetector(), per_level=20)
    graph.network = _Fixed(maps)  # type: ignore[assignment]
    boxes, scores = (each[0].numpy() for each in graph(torch.zeros(1, 96, 128, 3)))
    assert boxes.shape == (60, 4)
    for level, (size, stride) in enumerate(zip(SIZES, STRIDES, strict=True)):
        chances = (1 / (1 + np.exp(-maps.person[level][0].numpy()))).prod(0)
        cells = np.argsort(-chances.ravel())[:20]
        for rank, cell in enumerate(cells):
            row, column = divmod(int(cell), size[1])
            left, top, right, low = maps.edges[level][0, :, row, column].numpy() * stride
            x, y = column * stride + stride / 2, row * stride + stride / 2
            expected = [
                max(x - left, -0.5),
                max(y - top, -0.5),
                min(x + right, 127.5),
                min(y + low, 95.5),
            ]
            np.testing.assert_allclose(boxes[20 * level + rank], expected)
            assert scores[20 * level + rank] == pytest.approx(chances[row, column])
        assert not scores[20 * level + len(cells) : 20 * (level + 1)].any()


def test_a_person_is_answered_for_by_the_cells_that_see_it_best() -> None:
    """Whatever a cell says far from a person, it does not answer for it; nobody has two."""
    where = locations(SIZES, torch.zeros(1, dtype=torch.float64))
    boxes = torch.from_numpy(BOXES)
    generator = torch.Generator().manual_seed(5)
    near = torch.randint(0, 4, (len(where.points),), generator=generator)
    noise = torch.rand(len(where.points), 4, generator=generator, dtype=torch.float64)
    found = boxes[near] + 6 * noise - 3
    scores = torch.rand(len(where.points), generator=generator, dtype=torch.float64)
    targets = detector_targets(where, boxes, found, scores)
    overlap, allowed = pairwise_iou(found, boxes), may_answer(where, boxes)
    for g in range(4):
        alignment = scores * overlap[:, g] ** 6 * allowed[:, g]
        wanted = set(alignment.topk(10).indices[alignment.topk(10).values > 0].tolist())
        answering = {
            p for p in range(len(scores)) if targets.quality[p] > 0 and targets.owner[p] == g
        }
        assert answering
        assert answering <= wanted
        taken = {p for p in wanted - answering if targets.quality[p] > 0}
        assert all(overlap[p, targets.owner[p]] >= overlap[p, g] for p in taken)
        rows = sorted(answering)
        quality = targets.quality[rows]
        assert quality.max().item() == pytest.approx(overlap[rows, g].max().item())
        ratio = quality / alignment[rows]
        np.testing.assert_allclose(ratio.numpy(), ratio[0].item())
    assert not targets.quality[~allowed.any(1)].any()


def test_cells_may_answer_for_boxes_smaller_than_a_stride() -> None:
    where = locations(SIZES, torch.zeros(1, dtype=torch.float64))
    tiny = torch.tensor([[49.0, 41, 51, 43]], dtype=torch.float64)
    allowed = may_answer(where, tiny)[:, 0]
    for stride in STRIDES:
        assert allowed[where.strides == stride].any()
    off = (where.points[allowed] - torch.tensor([50.0, 42])).abs().amax(1)
    assert (off < 1.5 * where.strides[allowed]).all()


def iou_by_hand(a: Array, b: Array) -> tuple[float, float]:
    """IoU and generalised IoU."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    union = sum(areas) - width * height
    around = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    iou = width * height / union
    return iou, iou - (around - union) / around


@given(st.lists(st.floats(1, 50), min_size=8, max_size=8))
def test_generalised_iou_equals_its_formula(values: list[float]) -> None:
    pair = np.array(values).reshape(2, 4)
    pair[:, 2:] += pair[:, :2]
    got = overlaps(*(torch.from_numpy(box)[None] for box in pair))
    assert [each.item() for each in got] == pytest.approx(iou_by_hand(*pair))


@given(st.floats(-8, 8), st.floats(-8, 8), st.floats(0, 1))
def test_the_score_loss_equals_its_formula(thing: float, person: float, quality: float) -> None:
    logits = np.array([thing, person])
    score = chance(logits)
    entropy = -quality * math.log(score) - (1 - quality) * math.log1p(-score)
    got = quality_focal(torch.from_numpy(logits), torch.tensor(quality, dtype=torch.float64))
    assert got.item() == pytest.approx(abs(score - quality) ** 2 * entropy, rel=1e-6, abs=1e-9)


def test_losses_equal_a_loop_over_locations() -> None:
    maps = random_maps(2)
    boxes = [torch.from_numpy(BOXES), torch.zeros(0, 4, dtype=torch.float64)]
    certainty = [torch.rand(2, *size, dtype=torch.float64) for size in SIZES]
    where = locations(SIZES, torch.zeros(1, dtype=torch.float64))
    logits, edges = flat(maps.person).numpy(), flat(maps.edges).numpy()
    sure = torch.cat([level.flatten(1) for level in certainty], 1).numpy()
    believed = torch.rand(2, logits.shape[1], dtype=torch.float64)
    got = detector_loss(maps, DetectorLabels(boxes, certainty, believed))
    person, box, total = 0.0, 0.0, 0.0
    for b in range(2):
        x, y = where.points.numpy().T
        left, top, right, low = (edges[b] * where.strides.numpy()[:, None]).T
        found = np.stack([x - left, y - top, x + right, y + low], 1)
        scores = np.array([chance(each) for each in logits[b]])
        targets = detector_targets(
            where, boxes[b], torch.from_numpy(found), torch.from_numpy(scores)
        )
        for p, score in enumerate(scores):
            quality, weight = float(targets.quality[p]), sure[b, p]
            if quality > 0:
                _, generalised = iou_by_hand(found[p], BOXES[targets.owner[p]])
                box, weight, total = box + quality * (1 - generalised), 1.0, total + quality
            for wanted, share in ((quality, weight), (float(believed[b, p]), 1 - weight)):
                entropy = -wanted * math.log(score) - (1 - wanted) * math.log(1 - score)
                person += share * abs(score - wanted) ** 2 * entropy
    assert total > 1
    assert got["person"].item() == pytest.approx(person / total)
    assert got["box"].item() == pytest.approx(2 * box / total)


def test_pictures_without_people_teach_only_background() -> None:
    maps = random_maps(1)
    labels = DetectorLabels([torch.zeros(0, 4)], [torch.ones(1, *size) for size in SIZES])
    losses = detector_loss(maps, labels)
    assert losses["box"].item() == 0
    assert losses["person"].item() > 0


def test_gradient_flows_into_every_parameter() -> None:
    torch.manual_seed(0)
    network = PersonDetector().train()
    maps = network(torch.rand(1, 3, 96, 128) * 2 - 1)
    large = torch.tensor([[-20.0, -30, 140, 120], [-90, -80, 210, 180]])  # of the coarser levels
    boxes = [torch.cat((torch.from_numpy(BOXES).float(), large))]
    losses = detector_loss(maps, DetectorLabels(boxes, [torch.ones(1, *size) for size in SIZES]))
    sum(losses.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
    silent = {
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    }
    assert silent == set()
