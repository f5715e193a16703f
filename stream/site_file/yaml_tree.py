"""YAML as plain values that know their lines; whatever would surprise a reader is a fault.

A key that comes twice is one: YAML itself would let the last one win, without a word.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_CHARACTERS = 1_000_000
MAX_VALUES = 100_000
"""After aliases are followed: a few lines of them can stand for billions."""
MAX_DEPTH = 20

_PLAIN_TAGS = "tag:yaml.org,2002:"
_OWN_TAGS = f"{_PLAIN_TAGS}python/"

Step = str | int
Path_ = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class YamlFault:
    """What is wrong with the YAML itself."""

    line: int
    path: Path_
    text: str


@dataclass(slots=True)
class YamlTree:
    """A document: dicts, lists and scalars, and the line of each."""

    data: object = None
    lines: dict[Path_, int] = field(default_factory=dict)
    """Path of a value -> line of its key or, in a list, of its begin; from 1."""
    faults: list[YamlFault] = field(default_factory=list)

    def line_of(self, path: Sequence[Step]) -> int:
        """The line of a value, or of the nearest value around it."""
        steps = tuple(path)
        while steps and steps not in self.lines:
            steps = steps[:-1]
        return self.lines.get(steps, 1)


class _TooMuchError(Exception):
    """Aliases stand for more than anybody wrote."""


class _Loader(yaml.SafeLoader):
    """Stops where nodes lie too deeply: else the time grows with the depth squared."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH + 1:
            raise _TooMuchError
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Builder:
    """Walks the nodes of one document."""

    def __init__(self, tree: YamlTree) -> None:
        self._tree = tree
        self._values = 0
        self._scalars = yaml.SafeLoader("")

    def value(self, node: Node, path: Path_) -> object:
        self._values += 1
        if self._values > MAX_VALUES or len(path) > MAX_DEPTH:
            raise _TooMuchError
        self._tree.lines.setdefault(path, node.start_mark.line + 1)
        if node.tag.startswith(_OWN_TAGS) or not node.tag.startswith(_PLAIN_TAGS):
            self._fault(node.start_mark.line + 1, path, "a tag like !this has no meaning here")
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, place)) for place, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path_) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._fault(line, path, "a key must be a word")
                continue
            # As written: `on` and `1` are keys, too, and no truth value or number.
            key = str(key_node.value)
            if key in found:
                self._fault(line, (*path, key), "this key stands twice; keep one of them")
            self._tree.lines[(*path, key)] = line
            found[key] = self.value(value_node, (*path, key))
        return found

    def _scalar(self, node: Node, path: Path_) -> object:
        try:
            return self._scalars.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            # The message of YAML's error repeats the value, which may be a secret.
            kind = type(error).__name__
            self._fault(node.start_mark.line + 1, path, f"no value of its kind ({kind})")
            return None

    def _fault(self, line: int, path: Path_, text: str) -> None:
        self._tree.faults.append(YamlFault(line, path, text))


def read_yaml(text: str) -> YamlTree:
    """The only document of a text; with faults in it `data` may be incomplete, or None."""
    tree = YamlTree()
    if len(text) > MAX_CHARACTERS:
        fault = f"more than {MAX_CHARACTERS} characters; a site file is shorter"
        tree.faults.append(YamlFault(1, (), fault))
        return tree
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is not None:
            tree.data = _Builder(tree).value(node, ())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        tree.faults.append(YamlFault(line, (), f"no YAML: {error.problem or 'cannot be read'}"))
    except yaml.YAMLError:
        tree.faults.append(YamlFault(1, (), "no YAML: there are control characters in it"))
    except (_TooMuchError, RecursionError):
        tree.faults.append(YamlFault(1, (), "nested too deeply, or aliases stand for too much"))
    return tree
