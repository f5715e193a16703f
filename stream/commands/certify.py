"""`posestream certify`: measures an engine beside the fp32 reference and keeps the outcome."""

from contextlib import closing

from rich.console import Console
from rich.table import Table

from engines.certification.certificate import Certificate, Judgement, certificate_text
from engines.certification.certify import ReferenceFinder
from engines.certification.certify import certify as measure
from engines.certification.shelf import CertificateShelf
from stream.clock import SystemClock
from stream.commands.chosen_engine import ChosenEngine

COLOURS = {Judgement.PASSED: "green", Judgement.FAILED: "red", Judgement.INCONCLUSIVE: "yellow"}


def certify_command(settings: ChosenEngine, *, as_json: bool) -> int:
    """Prints the certificate on standard output; returns 1 if it failed, else 0.

    Raises:
        PoseStreamError: if the model, the pictures or the engine cannot be opened.
    """
    artefact, pictures = settings.find_artefact(), settings.picture_set()
    with closing(settings.open(artefact, artefact.manifest.canvases[0], (1,))) as engine:
        finder = ReferenceFinder(artefact)
        certificate = measure([engine], artefact, pictures, finder, SystemClock())
    kept = CertificateShelf(settings.store.root).keep(certificate)
    if as_json:
        Console().print_json(certificate_text(certificate))
    else:
        Console().print(_table(certificate))
        Console(stderr=True).print(f"kept as {kept}" if kept else "not kept", soft_wrap=True)
    return int(certificate.verdict is Judgement.FAILED)


def _table(certificate: Certificate) -> Table:
    key = certificate.key
    title = f"{certificate.model} on {key.engine} {certificate.engine_version}, {key.precision}"
    table = Table(title=title, title_justify="left", show_header=False)
    colour = COLOURS[certificate.verdict]
    table.add_row("verdict", f"[{colour}]{certificate.verdict}[/]")
    for reason in certificate.reasons:
        table.add_row("", reason)
    table.add_row("compared with", certificate.reference)
    table.add_row("on", f"{certificate.pictures}, {key.device_class}")
    for name, value in certificate.agreement.items():
        table.add_row(name, f"{value:g}")
    for batch, milliseconds in certificate.latency_ms.items():
        table.add_row(f"batch {batch}", f"{milliseconds:.1f} ms")
    return table
