"""Reads a site file; tells everything that is wrong with it at once."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from stream.errors import ConfigError
from stream.site_file.fault_words import Details, fault_in_words
from stream.site_file.secret import SecretReference
from stream.site_file.site_model import LOOPBACKS, Site, joined_models
from stream.site_file.tls_files import server_context
from stream.site_file.yaml_tree import Step, YamlTree, read_yaml

ModelCheck = Callable[[str], str | None]
"""Name of a model -> what is wrong with it; None if nothing is."""


@dataclass(frozen=True, slots=True)
class SiteFault:
    """One thing that is wrong."""

    line: int
    path: str
    """As in `streams[2].max_fps`; empty for the whole file."""
    text: str
    """What was got, what is expected, and the nearest known name."""

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


class SiteError(ConfigError):
    """A site file is wrong; says all that is."""

    def __init__(self, file: str, faults: Sequence[SiteFault]) -> None:
        self.file = file
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.line, fault.path)))
        super().__init__("; ".join(self.in_lines()))

    def in_lines(self) -> list[str]:
        """A line for each fault: `FILE:LINE: PATH: what is wrong`."""
        return [f"{self.file}:{fault.line}: {fault}" for fault in self.faults]


def read_site(file: Path, check_model: ModelCheck | None = None) -> Site:
    """The site of a file.

    Args:
        file: YAML.
        check_model: asked about every model the streams name.

    Raises:
        SiteError: with every fault of the file.
        ConfigError: if it cannot be read at all.
    """
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: it is no text in UTF-8; write it anew") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no name of a file"
        raise ConfigError(f"{file}: {reason}; give the path of a site file") from error
    return parse_site(text, str(file), check_model)


def parse_site(text: str, shown: str, check_model: ModelCheck | None = None) -> Site:
    """The site in a text; `shown` names it in messages.

    Raises:
        SiteError: with every fault of the text.
    """
    tree = read_yaml(text)
    faults = [SiteFault(f.line, path_text(f.path), f.text) for f in tree.faults]
    site: Site | None = None
    if tree.data is None and not faults:
        faults.append(SiteFault(1, "", "the file is empty; give it streams and sinks"))
    elif tree.data is not None:
        try:
            site = Site.model_validate(tree.data)
        except ValidationError as error:
            # Without pydantic's own message: it repeats values, secrets among them.
            details = error.errors(include_url=False)
            found = [_fault(one, tree) for one in details if not _is_a_consequence(one)]
            faults += {fault.path: fault for fault in reversed(found)}.values()
        faults += [*_names_given_twice(tree), *_unknown_models(tree, check_model)]
    if site is not None:
        faults += _cross_faults(site, tree)
    if site is None or faults:
        raise SiteError(shown, faults) from None
    return site


def missing_secrets(site: Site, folder: Path) -> list[str]:
    """What is wrong with the secrets and certificates that a site refers to, one line for each."""
    found = []
    for path, reference in _references(site):
        try:
            reference.read(folder)
        except ConfigError as error:
            found.append(f"{path}: {error}")
    if site.api is not None and site.api.tls is not None:
        try:
            server_context(site.api.tls, folder)
        except ConfigError as error:
            found.append(str(error))
    return found


def path_text(path: Sequence[Step]) -> str:
    """As in `streams[2].max_fps`."""
    parts = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]
    return "".join(parts).removeprefix(".")


def _references(site: Site) -> Iterator[tuple[str, SecretReference]]:
    for group, settings in (("streams", site.streams), ("sinks", site.sinks)):
        for place, one in enumerate(settings):
            login = getattr(one, "login", None)
            if login is not None:
                yield f"{group}[{place}].login.password", login.password
    if site.api is not None:
        if site.api.token is not None:
            yield "api.token", site.api.token
        for place, login in enumerate(site.api.logins):
            yield f"api.logins[{place}].password", login.password


def _is_a_consequence(details: Details) -> bool:
    """A list whose every item is wrong is called too short besides."""
    return details["type"] == "too_short" and bool(details["input"])


def _fault(details: Details, tree: YamlTree) -> SiteFault:
    path = _real_path(details["loc"], tree.data)
    return SiteFault(tree.line_of(path), path_text(path), fault_in_words(Site, details, path))


def _real_path(place: Sequence[Step], data: object) -> tuple[Step, ...]:
    """The path without the kinds that pydantic puts into it where a union is."""
    path: list[Step] = []
    for step in place:
        is_kind = isinstance(data, dict) and step not in data and data.get("kind") == step
        if is_kind:
            continue
        path.append(step)
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
    return tuple(path)


def _listed(tree: YamlTree, group: str) -> Iterator[tuple[int, dict[str, object]]]:
    """The mappings of a list, with their places; whatever else stands there is left out."""
    listed = tree.data.get(group) if isinstance(tree.data, dict) else None
    for place, one in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(one, dict):
            yield place, one


def _unknown_models(tree: YamlTree, check: ModelCheck | None) -> Iterator[SiteFault]:
    for place, stream in _listed(tree, "streams"):
        model = stream.get("model")
        if isinstance(model, list) and not any("+" in str(name) for name in model):
            model = joined_models(model)
        wrong = check(model) if check and isinstance(model, str) and model else None
        if wrong:
            path = ("streams", place, "model")
            yield SiteFault(tree.line_of(path), path_text(path), wrong)


def _names_given_twice(tree: YamlTree) -> Iterator[SiteFault]:
    for group, default in (("streams", ""), ("sinks", "kind")):
        places: dict[str, list[int]] = defaultdict(list)
        for place, one in _listed(tree, group):
            name = one.get("name", one.get(default))
            if isinstance(name, str):
                places[name].append(place)
        for name, found in places.items():
            for place in found[1:]:
                first = tree.line_of((group, found[0], "name"))
                path = (group, place, "name")
                text = f"{name!r} is the name in line {first}, too; give each its own"
                yield SiteFault(tree.line_of(path), path_text(path), text)


def _cross_faults(site: Site, tree: YamlTree) -> Iterator[SiteFault]:
    def fault(text: str, *path: Step) -> SiteFault:
        return SiteFault(tree.line_of(path), path_text(path), text)

    if len(site.streams) > site.limits.streams:
        told = f"got {len(site.streams)} streams, limits.streams allows {site.limits.streams}"
        yield fault(f"{told}; raise the limit or share them out", "streams")
    for place, stream in enumerate(site.streams):
        if stream.login is not None and ("://" not in stream.url or "@" in stream.url):
            text = "a login is for an address without one; leave one of both out"
            yield fault(text, "streams", place, "login")
    for place, sink in enumerate(site.sinks):
        if sink.kind == "redis" and sink.login is not None and "@" in sink.url:
            text = "a login is for an address without one; leave one of both out"
            yield fault(text, "sinks", place, "login")
    for text, *path in _port_faults(site):
        yield fault(text, *path)


def _port_faults(site: Site) -> Iterator[tuple[str, str, str]]:
    api = site.api
    if api and api.token is None and api.bind not in LOOPBACKS:
        text = f"missing; whoever can reach {api.bind} could command the daemon; name a secret"
        yield text, "api", "token"
    if site.metrics and api and site.metrics.port == api.port != 0:
        yield f"port {api.port} is that of metrics, too; take another", "api", "port"
