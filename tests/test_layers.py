"""The layout: recognising needs no training library, and data flows down the list of modules."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "speechrnn"
TRAINING_LIBRARIES = {
    "torch",
    "torchaudio",
    "librosa",
    "lhotse",
    "omegaconf",
    "tensorboard",
    "matplotlib",
    "onnx",
    "yaml",
}
# `cli.tune` draws a picture if asked; that it needs none of them otherwise, its own test says.
TRAINING = (
    "nn",
    "data",
    "pictures",
    "runs",
    "export",
    "training",
    "cli.train",
    "cli.average",
    "cli.export",
    "cli.prepare",
    "cli.inspect",
    "cli.tune",
)

# A module imports only what stands above it. A package stands for all of its modules. Training may use everything that
# recognises but the command line.
ORDER = (
    "errors",
    "files",
    "array_file",
    "normalisers",
    "text",
    "audio",
    "manifest",
    "transcript",
    "package",
    "package_cache",
    "batch_sizes",
    "acoustic",
    "lm",
    "pronunciation",
    "search",
    "alignment",
    "recognizer",
    "batching",
    "writers",
    "scoring",
    "nn",
    "data",
    "pictures",
    "runs",
    "export",
    "training",
    "cli",
)


def name_of(path):
    """The dotted name of a module below speechrnn, "" for the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports(path):
    """(line, dotted name) of everything that a file imports, at any level, but for type checkers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: import by full names"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def trains(name):
    return any(name == part or name.startswith(part + ".") for part in TRAINING)


@pytest.mark.parametrize("name", [name for name in MODULES if not trains(name)])
def test_recognising_never_imports_what_training_needs(name):
    for line, imported in imports(MODULES[name]):
        where = f"{MODULES[name]}:{line}: imports {imported}"
        assert imported.split(".")[0] not in TRAINING_LIBRARIES, where
        assert not trains(imported.removeprefix("speechrnn.")), where


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ("", "__main__")])
def test_a_module_imports_only_what_stands_above_it(name):
    own = name.split(".")[0]
    assert own in ORDER, f"{name}: give it a place in ORDER"
    for line, imported in imports(MODULES[name]):
        parts = imported.split(".")
        if parts[0] != "speechrnn" or len(parts) < 2 or parts[1] == own:
            continue
        assert parts[1] in ORDER, f"{MODULES[name]}:{line}: imports {imported}"
        assert ORDER.index(parts[1]) < ORDER.index(own), (
            f"{MODULES[name]}:{line}: imports {imported}, which stands below"
        )


def test_importing_every_module_that_recognises_brings_no_training_library():
    """What the files say, by Python itself: also through other libraries."""
    names = [
        "speechrnn",
        *(f"speechrnn.{name}" for name in MODULES if name not in ("", "__main__") and not trains(name)),
    ]
    program = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print(*sorted({TRAINING_LIBRARIES!r} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, encoding="utf-8")
    assert done.stdout.split() == []
