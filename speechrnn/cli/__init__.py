"""The command line: `speechrnn COMMAND ...`. A command's module is imported only when it is called."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from speechrnn.errors import InputError, reason

# command: what it does. Each is a module of this package with `add_arguments(parser)` and `run(args) -> exit status`.
COMMANDS = {
    "transcribe": "say what is spoken in audio files",
    "align": "say when each word of a known text is spoken",
    "prepare": "turn a corpus into manifests",
    "train": "train an acoustic model",
    "average": "average the weights of checkpoints",
    "export": "turn a training run into a model package",
    "evaluate": "transcribe a manifest and score the result",
    "score": "score hypotheses against references",
    "report": "write a score as an HTML page, with the worst utterances to hear and see",
    "compare": "say whether one system is better than another, and how sure that is",
    "lm": "make and look at language models",
    "lexicon": "write the pronunciations of words, and guess those that the dictionary lacks",
    "tune": "choose the weights of a language model for a package",
    "inspect": "show what is in a run, a manifest or a model package",
    "models": "say which model packages are here, fetch and pack them",
    "completion": "print what makes a shell complete these commands",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 all was done, 1 something could not be used, 2 wrong usage."""
    argv = list(sys.argv[1:] if argv is None else argv)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # None where it is closed
    if sys.stdout is None:
        print("speechrnn: expected a standard output for the results, found it closed", file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(
        prog="speechrnn",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Speech recognition with deep bidirectional GRUs and CTC.",
        epilog="commands:\n"
        + "".join(f"  {name:12}{what}\n" for name, what in COMMANDS.items())
        + "\n`speechrnn COMMAND --help` shows a command's arguments and examples.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and what it runs on, and exit")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of the commands below")
    command = parser.parse_args(argv[:1]).command
    for stream in (sys.stdout, sys.stderr):  # a console that lacks a letter shall not cost the rest of the output
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        parser, run = load(command)
        args = parser.parse_args(argv[1:])
        args.command_line = shlex.join(["speechrnn", *argv])  # for records
        return run(args)
    except InputError as error:
        print(f"speechrnn {command}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("speechrnn"):
            raise
        print(
            f"speechrnn {command}: needs the module {error.name!r}, which is not installed: "
            "what training needs comes with `pip install '.[train]'` in speechrnn's source folder (6 GB)",
            file=sys.stderr,
        )
        return 1
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError:
        print(f"speechrnn {command}: the memory does not suffice", file=sys.stderr)
        return 1
    except OSError as error:
        where = error.filename or ("writing the output" if error.errno else "")  # neither: a library that does not load
        print(f"speechrnn {command}: {where}{': ' if where else ''}{reason(error)}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ImportError) as error:  # Ctrl-C while a compiled module starts becomes its ImportError
        if isinstance(error, ImportError) and not isinstance(error.__cause__, KeyboardInterrupt):
            if not error.name or error.name.startswith("speechrnn"):
                raise
            print(f"speechrnn {command}: {error.name}: cannot be imported: {error}: install it again", file=sys.stderr)
            return 1
        print(f"speechrnn {command}: interrupted", file=sys.stderr)
        return 130


def load(command: str) -> tuple[argparse.ArgumentParser, Callable[[argparse.Namespace], int]]:
    """A command's parser, and what runs it."""
    module = import_module(f"speechrnn.cli.{command}")
    parser = argparse.ArgumentParser(
        prog=f"speechrnn {command}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=module.__doc__,
    )
    module.add_arguments(parser)
    return parser, module.run


class _Version(argparse.Action):
    """argparse's own wants the version at the start of every command, and importlib.metadata takes 20 ms to import."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version
        from platform import machine, python_version, system

        from speechrnn.package import bundled

        print(f"speechrnn {version('speechrnn')}")
        print(f"Python {python_version()} on {system()} {machine()}")
        for name in ("onnxruntime", "numpy", "soundfile", "soxr", "torch"):
            try:
                print(f"{name} {version(name)}")
            except PackageNotFoundError:
                print(f"{name} is not installed" + (" (for training only)" if name == "torch" else ""))
        print(f"bundled models: {' '.join(bundled()) or 'none'}")
        parser.exit()


# The help of an argument that takes a model.
PACKAGE = "a model package: a name that `speechrnn models` lists, an address or a folder"


def positive(text: str) -> int:
    """The type of an argument that is a whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return int(text)
