"""Proves every network of the papers at its paper's size: parameters, export, memory, agreement.

    python -m tests.bench.bench_networks [NETWORK ...] [--threads N] [--out FILE.json]

Each network runs in a process of its own (`network_proof.py`), since peak memory is a process's. A
file that is there already is brought up to date network by network. Exit code 1 if an export
differs from torch by 1e-3 of the largest output or more, if more than one joint in a hundred takes
another of two almost equal peaks, or if forward pass and export take more than 6 GiB.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from builders.paper_networks import paper_networks
from tests.bench.report import Figure, write_report

LIMIT = 1e-3
MOVED_LIMIT = 0.01
MEMORY_GIB = 6.0
PACKAGES = ("torch", "onnx", "onnxruntime", "openvino", "numpy")


def proof_of(network: str, threads: int) -> dict[str, Any]:
    """Runs one network in a child process."""
    command = [sys.executable, "-m", "tests.bench.network_proof", network]
    done = subprocess.run(
        [*command, "--threads", str(threads)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{network} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def faults(proof: Mapping[str, Any]) -> list[str]:
    """What is not as it must be."""
    found = []
    if proof["peak_gib"] > MEMORY_GIB:
        found.append(f"{proof['network']}: {proof['peak_gib']} GiB")
    for engine, batches in proof["parity"].items():
        for batch, difference in batches.items():
            if difference["worst"] >= LIMIT or difference["moved_joints"] > MOVED_LIMIT:
                found.append(f"{proof['network']}: {engine}, batch {batch}: {difference}")
    return found


def brought_up_to_date(out: Path, proofs: Sequence[Mapping[str, Any]]) -> None:
    """Writes the table, keeping what it holds of other networks."""
    before = networks_of(out) if out.is_file() else {}
    networks = before | {str(proof["network"]): proof for proof in proofs}
    details = {
        "made_by": "python -m tests.bench.bench_networks",
        "limits": {"worst": LIMIT, "moved_joints": MOVED_LIMIT, "peak_gib": MEMORY_GIB},
        "versions": {package: version(package) for package in PACKAGES},
        "networks": networks,
    }
    write_report("networks", figures(networks), details, out)


def networks_of(out: Path) -> dict[str, Any]:
    """The proofs in a written table, by network."""
    proofs: dict[str, Any] = json.loads(out.read_text("utf-8"))["details"]["networks"]
    return proofs


def figures(networks: Mapping[str, Any]) -> list[Figure]:
    """The worst of all of them."""
    peak = max(proof["peak_gib"] for proof in networks.values())
    differences = [
        difference["worst"]
        for proof in networks.values()
        for batches in proof.get("parity", {}).values()
        for difference in batches.values()
    ]
    name = f"of {len(networks)} paper-size networks"
    worst = Figure(
        f"Largest difference {name} from torch, of max|out|", max(differences, default=0), ""
    )
    return [worst, Figure(f"Largest memory {name}, forward and export", peak, "GiB")]


def main() -> None:
    """Runs the networks one after the other."""
    known = sorted(paper_networks())
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="all without it")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    proofs = []
    for network in options.networks or known:
        proofs.append(proof_of(network, options.threads))
        print(json.dumps(proofs[-1]))  # noqa: T201 - progress
        if options.out is not None:
            brought_up_to_date(options.out, proofs)
    wrong = [fault for proof in proofs for fault in faults(proof)]
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
