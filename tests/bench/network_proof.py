"""What a network of the papers needs at its paper's size, and how well its export agrees.

    python -m tests.bench.network_proof NETWORK [--no-parity] [--threads N]

Prints one line of JSON: parameters; seconds and peak memory of one forward pass and one export at
the paper's picture size; and the largest difference of ONNX Runtime and of OpenVINO in f32 from
torch, as a share of the largest output, with one and with two pictures. Memory is that of the whole
process, so each network wants a process of its own: `bench_networks.py` runs all.
"""
# ruff: noqa: TID253 - it measures what builders make

import argparse
import json
import resource
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import onnxruntime
import openvino
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from builders.contract_export import export_contract, give_relief, run_in_torch
from builders.networks.centre_sampling import STRIDES
from builders.networks.graph_pcnn_graph import STRIDE, GraphPcnnGraph
from builders.networks.heatmap_decode import peaks
from builders.networks.hgg_graph import HggGraph
from builders.networks.smpr import SmprMaps
from builders.networks.smpr_graph import SmprGraph
from builders.paper_networks import OUTPUTS, PaperNetwork, example_inputs, paper_networks
from stream.clock import Clock, SystemClock

Array = NDArray[np.float32]

EXPORT_OF_AREA_PX = 256 * 256
"""Parity is measured on pictures of about so many pixels; the graph is the paper's."""
SIDE_STEP = 64
LIMIT = 1e-3
"""Of all differences, as a share of the largest output."""
NEAR_RANKS = 3
"""Candidates of almost the same score may change places by so many ranks."""
MAP_OUTPUTS = 4
"""Of bottom-up graphs here: keypoints, scores, joint maps and pose maps."""
GIB = 1 << 30
SEED = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """How far outputs are from torch's."""

    worst: float
    """Largest difference as a share of the largest output, of joints that did not move."""
    moved_joints: float
    """Share of joints that took another, almost equally high peak; only where peaks attract."""


@dataclass(frozen=True, slots=True)
class Parity:
    """The difference from torch by engine and batch."""

    onnxruntime: dict[int, Difference]
    openvino_f32: dict[int, Difference]


@dataclass(frozen=True, slots=True)
class Proof:
    """What was measured of one network."""

    network: str
    description: str
    parameters: int
    picture_px: tuple[int, int]
    parity_px: tuple[int, int]
    onnx_bytes: int
    forward_seconds: float
    export_seconds: float
    peak_gib: float
    """After forward pass and export at the paper's size; the interpreter and torch included."""
    parity: Parity | None


def prove(name: str, network: PaperNetwork, clock: Clock, *, with_parity: bool) -> Proof:
    """Builds, runs and exports a network at the paper's size; then compares the engines."""
    module = network.make()
    graph = network.graph(module, network.order)
    parity_px = reduced(network.picture_px)
    give_relief(graph, example_inputs(network, parity_px, 4, SEED), SEED)
    inputs = example_inputs(network, network.picture_px, 1, SEED)
    began = clock.monotonic()
    run_in_torch(graph, inputs)
    ran = clock.monotonic()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        graph, outputs = telling(graph, OUTPUTS[network.form])
        export_contract(graph, inputs, outputs, path, maps=outputs[2:])
        exported = clock.monotonic()
        peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
        return Proof(
            network=name,
            description=network.description,
            parameters=sum(parameter.numel() for parameter in module.parameters()),
            picture_px=network.picture_px,
            parity_px=parity_px,
            onnx_bytes=path.stat().st_size,
            forward_seconds=round(ran - began, 3),
            export_seconds=round(exported - ran, 2),
            peak_gib=round(peak_gib, 2),
            parity=measured_parity(network, graph, path, parity_px) if with_parity else None,
        )


def reduced(picture_px: tuple[int, int]) -> tuple[int, int]:
    """A picture of the same shape with about `EXPORT_OF_AREA_PX`, sides multiples of 64."""
    width, height = picture_px
    shrink = min(1.0, (EXPORT_OF_AREA_PX / max(width * height, 1)) ** 0.5)
    if shrink == 1.0:
        return picture_px
    sides = [max(1, round(side * shrink / SIDE_STEP)) * SIDE_STEP for side in picture_px]
    return sides[0], sides[1]


def measured_parity(
    network: PaperNetwork, graph: nn.Module, path: Path, picture_px: tuple[int, int]
) -> Parity:
    """Both engines against torch, with one and two pictures."""
    runtime: dict[int, Difference] = {}
    vino: dict[int, Difference] = {}
    threads = torch.get_num_threads()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(core.read_model(path), "CPU", settings)
    for batch in (1, 2):
        inputs = example_inputs(network, picture_px, batch, SEED + batch)
        wanted = [out.numpy() for out in run_in_torch(graph, inputs)]
        feed = {name: value.numpy() for name, value in inputs.items()}
        runtime[batch] = compared(graph, session.run(None, feed), wanted)
        vino[batch] = compared(graph, list(compiled(feed).to_tuple()), wanted)
    return Parity(runtime, vino)


def telling(graph: nn.Module, outputs: Sequence[str]) -> tuple[nn.Module, tuple[str, ...]]:
    """The graph with what proves it beside its outputs, and the names of all outputs."""
    if isinstance(graph, HggGraph):
        return WithMaps(graph), (*outputs, "heat", "pose")
    if isinstance(graph, GraphPcnnGraph):
        return WithOffsets(graph), (*outputs, "offsets")
    if isinstance(graph, SmprGraph):
        levels = range(len(STRIDES))
        kinds = ("person", "similarity", "refined")
        return SmprWithMaps(graph), (*outputs, *(f"{kind}{n}" for kind in kinds for n in levels))
    return graph, tuple(outputs)


def compared(graph: nn.Module, found: Sequence[Array], wanted: Sequence[Array]) -> Difference:
    """An engine's outputs against torch's.

    A random SMPR gives many of its cells almost equal scores, so that rounding decides their order.
    Its raw maps are compared with torch's; its candidates with those that torch decodes from the
    engine's own maps.
    """
    if not isinstance(graph, SmprWithMaps):
        return disagreement(found, wanted)
    candidates = disagreement(found[:2], graph.decoded_again(found[2:]))
    maps = [_shares(got, expected) for got, expected in zip(found[2:], wanted[2:], strict=True)]
    return Difference(max(candidates.worst, *(float(share.max()) for share in maps)), 0.0)


def disagreement(found: Sequence[Array], wanted: Sequence[Array]) -> Difference:
    """Compares outputs that are in the same order.

    Candidates of almost the same rank may change places: each is compared with that of near rank
    whose joints agree best. A joint on noise may take another peak of almost the same height;
    those are counted, and the maps, which are outputs as well there, show that the network itself
    agrees.
    """
    if wanted[0].ndim == 4:  # keypoints and scores of candidates
        place = _places(found[0], wanted[0])
        found = [*(_moved(each, place) for each in found[:2]), *found[2:]]
    shares = [_shares(got, expected) for got, expected in zip(found, wanted, strict=True)]
    if len(wanted) == MAP_OUTPUTS:
        apart = shares[0].max(3)
        moved = apart > LIMIT
        worst = [float(share.max()) for share in (apart[~moved], *shares[1:])]
        return Difference(max(worst), float(moved.mean()))
    return Difference(max(float(share.max()) for share in shares), 0.0)


def _shares(got: Array, expected: Array) -> Array:
    """Differences as shares of the largest output; of keypoints, places and confidences apart."""
    largest: Array = np.abs(expected).max(keepdims=True)
    if expected.shape[-2:] == (17, 3):
        largest = np.abs(expected).reshape(-1, 3).max(0)
        largest[:2] = largest[:2].max()
    shares: Array = np.abs(got - expected) / np.maximum(largest, np.finfo(np.float32).tiny)
    return shares


def _places(got: Array, expected: Array) -> NDArray[np.intp]:
    """(B, M) where each expected candidate is found; both (B, M, 17, 3).

    Of equals the one of the same rank: levels are filled up with copies of their last cell.
    """
    count = expected.shape[1]
    steps = sorted(range(-NEAR_RANKS, NEAR_RANKS + 1), key=abs)
    ranks = [np.clip(np.arange(count) + step, 0, count - 1) for step in steps]
    apart = np.stack([np.median(np.abs(got[:, rank] - expected).max(3), 2) for rank in ranks])
    places: NDArray[np.intp] = np.stack(ranks)[apart.argmin(0), np.arange(count)]
    return places


def _moved(values: Array, place: NDArray[np.intp]) -> Array:
    """(B, M, ...) by (B, M) places."""
    moved: Array = values[np.arange(len(values))[:, None], place]
    return moved


class WithMaps(nn.Module):
    """A bottom-up graph that also gives the maps it decodes."""

    def __init__(self, graph: HggGraph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, canvas: Tensor) -> tuple[Tensor, ...]:
        """(B, H, W, 3) uint8 to keypoints, scores, joint maps with centre, pose maps."""
        maps = self.graph.maps(canvas)
        return (*self.graph.decoded(maps, canvas), maps.heat, maps.pose)


class WithOffsets(nn.Module):
    """Graph-PCNN that also gives how far its second stage moves the joints.

    Beside coordinates of hundreds of pixels a difference of the second stage would hardly show.
    """

    def __init__(self, graph: GraphPcnnGraph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """(N, h, w, 3) uint8 to keypoints (N, 17, 3) and offsets (N, 17, 2) in crop pixels."""
        keypoints = self.graph(crops)
        stage1 = cast(nn.Module, self.graph.network.stage1)
        heat = stage1(self.graph.normalise(crops))
        return keypoints, keypoints[..., :2] - peaks(heat)[0] * STRIDE


class SmprWithMaps(nn.Module):
    """SMPR that also gives the maps it decodes."""

    def __init__(self, graph: SmprGraph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, canvas: Tensor) -> tuple[Tensor, ...]:
        """(B, H, W, 3) uint8 to keypoints, scores, and three kinds of maps of five levels."""
        maps: SmprMaps = self.graph.network(self.graph.pixels(canvas))
        return (*self.graph.decoded(maps), *maps.person, *maps.similarity, *maps.refined)

    def decoded_again(self, maps: Sequence[Array]) -> list[Array]:
        """Keypoints and scores that torch decodes from an engine's maps."""
        tensors = [torch.from_numpy(each) for each in maps]
        count = len(STRIDES)
        parts = (tuple(tensors[start : start + count]) for start in (0, count, 2 * count))
        person, similarity, refined = parts
        given = SmprMaps(person=person, similarity=similarity, initial=refined, refined=refined)
        return [out.numpy() for out in self.graph.decoded(given)]


def main() -> None:
    """Measures one network."""
    known = paper_networks()
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("network", choices=sorted(known))
    parser.add_argument("--no-parity", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    proof = prove(
        options.network,
        known[options.network],
        SystemClock(),
        with_parity=not options.no_parity,
    )
    print(json.dumps(asdict(proof)))  # noqa: T201 - the bench reads it


if __name__ == "__main__":
    main()
