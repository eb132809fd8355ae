"""Print what makes a shell complete speechrnn's commands, options and the values
that these may have. The first of these in ~/.bashrc, the others once:

source <(speechrnn completion bash)
speechrnn completion zsh > "${fpath[1]}/_speechrnn"
speechrnn completion fish > ~/.config/fish/completions/speechrnn.fish
"""

import argparse
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from speechrnn.cli import COMMANDS, load


class Option(NamedTuple):
    """`flags` as they are typed, what it is for, whether a value follows, values to propose, and whether files are, too."""

    flags: list[str]
    help: str
    takes_value: bool
    values: list[str]
    or_file: bool


class Command(NamedTuple):
    """`words` are what it is called by after `speechrnn`; one of its `commands`, or of its `values`, may come next."""

    words: list[str]
    help: str
    options: list[Option]
    values: list[str]
    commands: list["Command"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell: $SHELL says which you have")


def run(args: argparse.Namespace) -> int:
    print("\n".join(SHELLS[args.shell](_commands())))
    return 0


def _commands() -> list[Command]:
    return [_command([name], what, load(name)[0]) for name, what in COMMANDS.items()]


def _command(words: list[str], what: str, parser: argparse.ArgumentParser) -> Command:
    options, following, commands = [], [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help for choice in action._choices_actions}
            commands = [_command([*words, name], helps.get(name) or "", own) for name, own in action.choices.items()]
        elif action.option_strings:
            values = _values(action)
            or_file = not values or action.dest == "model"
            options.append(Option(list(action.option_strings), _short(action.help), action.nargs != 0, values, or_file))
        else:
            following += _values(action)
    return Command(words, _short(what), options, following, commands)


def _values(action: argparse.Action) -> list[str]:
    if action.dest == "model":
        from speechrnn.package import bundled

        return list(bundled())
    proposed: Iterable = getattr(action, "proposed", ())
    return [str(value) for value in action.choices or proposed]


def _short(text: str | None) -> str:
    """The help up to its first comma, colon or bracket, in characters that mean nothing to a shell."""
    return re.sub(r"[^\w /.%-]", "", re.split(r"[,;:(]", text or "")[0]).strip()


def _all(commands: list[Command]) -> Iterator[Command]:
    for command in commands:
        yield command
        yield from _all(command.commands)


def bash(commands: list[Command]) -> Iterator[str]:
    """One look at the words before the cursor: what may follow them, `values`, or `options` if it begins with a dash."""
    yield "_speechrnn() {"
    yield '    local word=${COMP_WORDS[COMP_CWORD]} values="" options=""'
    yield '    case "${COMP_WORDS[*]:1:COMP_CWORD - 1}" in'
    yield f'    "") values="{" ".join(command.words[0] for command in commands)}"; options="--help --version";;'
    for command in _all(commands):
        name = " ".join(command.words)
        if command.commands:
            yield f'    "{name}") values="{" ".join(below.words[-1] for below in command.commands)}";;'
            continue
        for option in command.options:
            if option.takes_value:
                before = "|".join(f'"{name}"*" {flag}"' for flag in option.flags)
                yield f'    {before}) values="{" ".join(option.values)}";;'
        flags = " ".join(flag for option in command.options for flag in option.flags)
        yield f'    "{name}"*) values="{" ".join(command.values)}"; options="{flags}";;'
    yield "    esac"
    yield "    [[ $word == -* ]] && values=$options"
    yield '    local first=""; [[ $word == *,* ]] && first="${word%,*},"  # a list, with commas'
    yield '    COMPREPLY=($(compgen -P "$first" -W "$values" -- "${word##*,}"))'
    yield "}"
    yield "complete -o default -F _speechrnn speechrnn"


def zsh(commands: list[Command]) -> Iterator[str]:
    yield "#compdef speechrnn"
    models = " ".join(
        sorted({value for each in _all(commands) for o in each.options if o.or_file for value in o.values})
    )
    yield f'_speechrnn_models() {{ _alternative "models:model:({models})" "files:folder:_files" }}'
    yield "_speechrnn() {"
    yield from _zsh_choice(commands, 2)
    yield "    shift words; (( CURRENT-- ))"
    yield "    case $words[1] in"
    for command in commands:
        yield f"    {command.words[0]})"
        if command.commands:
            yield from _zsh_choice(command.commands, 2)
            yield "        shift words; (( CURRENT-- ))"
            yield "        case $words[1] in"
            for below in command.commands:
                yield f"        {below.words[-1]}) {_zsh_arguments(below)};;"
            yield "        esac;;"
        else:
            yield f"        {_zsh_arguments(command)};;"
    yield "    esac"
    yield "}"
    yield 'if [[ $funcstack[1] == _speechrnn ]]; then _speechrnn "$@"; else compdef _speechrnn speechrnn; fi'


def _zsh_choice(commands: list[Command], place: int) -> Iterator[str]:
    named = " ".join(f"'{command.words[-1]}:{command.help}'" for command in commands)
    yield f"    if (( CURRENT == {place} )); then local -a choice=({named}); _describe command choice; return; fi"


def _zsh_arguments(command: Command) -> str:
    parts = ["_arguments"]
    for option in command.options:
        value = f"({' '.join(option.values)})" if option.values else "_files"
        if option.values and option.or_file:
            value = "_speechrnn_models"
        value = f":value:{value}" if option.takes_value else ""
        parts += [f"'{flag}[{option.help}]{value}'" for flag in option.flags]
    argument = f"({' '.join(command.values)})" if command.values else "_files"
    return " ".join([*parts, f"'*:argument:{argument}'"])


def fish(commands: list[Command]) -> Iterator[str]:
    for command in _all(commands):
        *above, own = command.words
        none_yet = " ".join(each.words[-1] for each in commands) if not above else ""
        if above:
            when = f"__fish_seen_subcommand_from {above[0]}; and not __fish_seen_subcommand_from {own}"
        else:
            when = f"not __fish_seen_subcommand_from {none_yet}"
        yield f"complete -c speechrnn -f -n '{when}' -a {own} -d '{command.help}'"
        if command.values:
            yield f"complete -c speechrnn -f -n '__fish_seen_subcommand_from {own}' -a '{' '.join(command.values)}'"
        inside = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in command.words)
        for option in command.options:
            flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
            value = f" -a '{' '.join(option.values)}'" if option.values else ""
            value += (" -r" if option.or_file else " -x") if option.takes_value else ""
            yield f"complete -c speechrnn -n '{inside}' {flags}{value} -d '{option.help}'"


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
