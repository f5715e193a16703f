import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from builders.networks.centre_sampling import flat, locations
from builders.networks.compact_pyramid import STRIDES
from builders.networks.person_detector import DetectorGraph, DetectorMaps, PersonDetector
from builders.networks.person_detector_loss import detector_loss, detector_targets, overlaps

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

    return DetectorMaps(levels(1), tuple(level.exp() for level in levels(4)))


class _Fixed(torch.nn.Module):
    def __init__(self, maps: DetectorMaps) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, _: torch.Tensor) -> DetectorMaps:
        return self.maps


def test_boxes_equal_a_worked_example() -> None:
    maps = random_maps(1)
    graph = DetectorGraph(PersonDetector(16, 1), per_level=20)
    graph.network = _Fixed(maps)  # type: ignore[assignment]
    boxes, scores = (each[0].numpy() for each in graph(torch.zeros(1, 96, 128, 3)))
    assert boxes.shape == (60, 4)
    for level, (size, stride) in enumerate(zip(SIZES, STRIDES, strict=True)):
        chance = 1 / (1 + np.exp(-maps.person[level][0, 0].numpy()))
        cells = np.argsort(-chance.ravel())[:20]
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
            assert scores[20 * level + rank] == pytest.approx(chance[row, column])
        assert not scores[20 * level + len(cells) : 20 * (level + 1)].any()


def test_cells_answer_for_the_smallest_box_of_their_size_whose_middle_they_lie_in() -> None:
    where = locations(SIZES, torch.zeros(1, dtype=torch.float64))
    targets = detector_targets(where, torch.from_numpy(BOXES))
    ranges = ((-1, 64), (64, 128), (128, math.inf))
    index, positives = 0, 0
    for level, (rows, columns) in enumerate(SIZES):
        stride = STRIDES[level]
        for row in range(rows):
            for column in range(columns):
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                owner, smallest = -1, math.inf
                for g, (left, top, right, low) in enumerate(BOXES):
                    near_x = abs(x - (left + right) / 2) < 1.5 * stride and left < x < right
                    near_y = abs(y - (top + low) / 2) < 1.5 * stride and top < y < low
                    farthest = max(x - left, y - top, right - x, low - y)
                    suits = ranges[level][0] <= farthest <= ranges[level][1]
                    area = (right - left) * (low - top)
                    if near_x and near_y and suits and area < smallest:
                        owner, smallest = g, area
                assert bool(targets.positive[index]) == (owner >= 0)
                if owner >= 0:
                    np.testing.assert_array_equal(targets.boxes[index].numpy(), BOXES[owner])
                positives += owner >= 0
                index += 1
    assert positives > 10


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


def test_losses_equal_a_loop_over_locations() -> None:
    maps = random_maps(2)
    boxes = [torch.from_numpy(BOXES), torch.zeros(0, 4, dtype=torch.float64)]
    certainty = [torch.rand(2, *size, dtype=torch.float64) for size in SIZES]
    got = detector_loss(maps, boxes, certainty)
    where = locations(SIZES, torch.zeros(1, dtype=torch.float64))
    logits, edges = flat(maps.person)[..., 0].numpy(), flat(maps.edges).numpy()
    sure = torch.cat([level.flatten(1) for level in certainty], 1).numpy()
    person, box, positives = 0.0, 0.0, 0
    for b in range(2):
        targets = detector_targets(where, boxes[b])
        for p in range(logits.shape[1]):
            quality, weight = 0.0, sure[b, p]
            if targets.positive[p]:
                positives += 1
                x, y = where.points[p].tolist()
                left, top, right, low = edges[b, p] * where.strides[p].item()
                found = np.array([x - left, y - top, x + right, y + low])
                quality, generalised = iou_by_hand(found, targets.boxes[p].numpy())
                box, weight = box + 1 - generalised, 1.0
            chance = 1 / (1 + math.exp(-logits[b, p]))
            entropy = -quality * math.log(chance) - (1 - quality) * math.log(1 - chance)
            person += weight * abs(chance - quality) ** 2 * entropy
    assert positives > 10
    assert got["person"].item() == pytest.approx(person / positives)
    assert got["box"].item() == pytest.approx(2 * box / positives)


def test_pictures_without_people_teach_only_background() -> None:
    maps = random_maps(1)
    certainty = [torch.ones(1, *size) for size in SIZES]
    losses = detector_loss(maps, [torch.zeros(0, 4)], certainty)
    assert losses["box"].item() == 0
    assert losses["person"].item() > 0


def test_gradient_flows_into_every_parameter() -> None:
    torch.manual_seed(0)
    network = PersonDetector(32, 1).train()
    maps = network(torch.rand(1, 3, 96, 128) * 2 - 1)
    large = torch.tensor([[-20.0, -30, 140, 120], [-90, -80, 210, 180]])  # of the coarser levels
    boxes = [torch.cat((torch.from_numpy(BOXES).float(), large))]
    losses = detector_loss(maps, boxes, [torch.ones(1, *size) for size in SIZES])
    sum(losses.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
    silent = {
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    }
    assert silent == set()
