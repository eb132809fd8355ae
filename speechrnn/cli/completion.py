"""Print what makes a shell complete speechrnn's commands, options and the values
that these may have. The first of these in ~/.bashrc, the others once:

source <(speechrnn completion bash)
speechrnn completion zsh > "${fpath[1]}/_speechrnn"
speechrnn completion fish > ~/.config/fish/completions/speechrnn.fish
"""

import argparse
from collections.abc import Iterable
from importlib import import_module

from speechrnn.cli import COMMANDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell: $SHELL says which you have")


def run(args: argparse.Namespace) -> int:
    import shtab

    parser = argparse.ArgumentParser(prog="speechrnn")
    parser.add_argument("--version", action="store_true", help="show the version and what it runs on, and exit")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, what in COMMANDS.items():
        command = commands.add_parser(name, help=what)
        import_module(f"speechrnn.cli.{name}").add_arguments(command)
        _propose(command)
    print(shtab.complete(parser, args.shell))
    return 0


def _propose(parser: argparse.ArgumentParser) -> None:
    """Say what each argument may be for which argparse knows no choices: a model, the items of a list, or a file."""
    import shtab

    from speechrnn.package import bundled

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _propose(command)
        elif action.dest == "model":
            vars(action)["complete"] = _model(bundled())
        elif proposed := getattr(action, "proposed", None):
            vars(action)["complete"] = _items(proposed)
        elif action.choices is None and action.nargs != 0:
            vars(action)["complete"] = shtab.FILE


def _model(names: Iterable[str]) -> dict:
    """The bundled models, and folders."""
    words = " ".join(names)
    function = f'_speechrnn_model_dir() {{ compgen -W "{words}" -- "$1"; compgen -d -- "$1"; }}'
    return {
        "bash": "_speechrnn_model_dir",  # shtab takes what has _dir in its name for file names
        "zsh": f"{{_alternative 'models:model:({words})' 'folders:folder:_files -/'}}",
        "fish": f"({_printed(words)}; __fish_complete_directories)",
        "preamble": {"bash": function},
    }


def _items(names: Iterable[str]) -> dict:
    """The items of a list with commas; in bash the second and later ones, too."""
    words = " ".join(names)
    function = (
        '_speechrnn_items() { local first=""; [[ $1 == *,* ]] && first="${1%,*},"; '
        f'compgen -P "$first" -W "{words}" -- "${{1##*,}}"; }}'
    )
    return {
        "bash": "_speechrnn_items",
        "zsh": f"({words})",
        "fish": f"({_printed(words)})",
        "preamble": {"bash": function},
    }


def _printed(words: str) -> str:
    return f"string split ' ' '{words}'"
