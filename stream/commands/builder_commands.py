"""Commands whose programs need an extra: they are named here and loaded when they are called.

`stream` runs without torch and imports nothing that builds models; a command of `builders` is only
the words `module:app` here, and `--help` of the whole stays quick.
"""

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer

from stream.errors import ConfigError

OWN = {"stream", "engines", "builders"}

FORWARDED = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""Every word goes to the program itself, `--help` too."""


@dataclass(frozen=True, slots=True)
class BuilderCommand:
    """A command that another package brings."""

    words: tuple[str, ...]
    """After `posestream`; the first of two is a group that exists already."""
    program: str
    """`module:app` of a Typer app with one command."""
    extra: str
    """What `pip install 'posestream[...]'` must bring."""
    summary: str
    """One line for `posestream --help`."""


BUILDER_COMMANDS = (
    BuilderCommand(
        ("train",),
        "builders.training.train_command:app",
        "train",
        "Train a network from a recipe.",
    ),
    BuilderCommand(
        ("eval",),
        "builders.evaluation.eval_command:app",
        "eval",
        "Measure a model on labelled pictures: COCO's AP and AR.",
    ),
    BuilderCommand(
        ("build",),
        "builders.build_command:app",
        "build",
        "Compile a model's engines ahead, and measure them beside fp32.",
    ),
    BuilderCommand(
        ("models", "import"),
        "builders.importing.import_app:app",
        "train",
        "Turn published weights into a checkpoint with our key names.",
    ),
    BuilderCommand(
        ("models", "pull"),
        "builders.importing.pull_app:app",
        "train",
        "Fetch weights that others published.",
    ),
)
"""One entry a command."""


def add_builder_commands(groups: dict[tuple[str, ...], typer.Typer]) -> None:
    """Adds all of them.

    Args:
        groups: Typer apps by the words before a command.
    """
    for command in BUILDER_COMMANDS:
        group = groups[command.words[:-1]]
        group.command(
            command.words[-1],
            help=command.summary,
            context_settings=FORWARDED,
            add_help_option=False,
        )(_forward(command))


def load_program(command: BuilderCommand) -> Any:
    """The command's Typer app.

    Raises:
        ConfigError: if a package is missing that the extra brings.
    """
    module, name = command.program.split(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing in OWN:
            raise
        raise ConfigError(
            f"posestream {' '.join(command.words)}: the package {missing} is not installed; "
            f"install it with: pip install 'posestream[{command.extra}]'"
        ) from error


def _forward(command: BuilderCommand) -> Any:
    def forward(context: typer.Context) -> None:
        program = load_program(command)
        title = " ".join(("posestream", *command.words))
        code = typer.main.get_command(program).main(
            context.args,
            prog_name=title,
            standalone_mode=False,
            help_option_names=context.find_root().help_option_names,
        )
        sys.exit(code if isinstance(code, int) else 0)

    return forward
