"""Model packages: a directory with everything that recognition needs.

model.onnx     waveform in, log-probabilities out; see `speechrnn.acoustic`
tokens.txt     the tokenizer: "token id" a line
lexicon.txt    of a model whose tokens are phones: how words are pronounced, "WORD P H O N E S" a line
model.json     what `Package` holds, under the same names
lm/            optional: a language model and, if only certain words may come, those; see `speechrnn.search.language_model`
               lm/lexicon.bin beside it, of a model whose tokens are phones, is made of lexicon.txt, tokens.txt and the words of
               the language model, for a quick start. It holds nothing that these do not. Without it, or where one of them was
               changed since or it is damaged, the same is built of them at each start. `write_decoder` and `write_package`
               have it written with the language model; after changes by hand `speechrnn models index PACKAGE` does it.
MODEL_CARD.md  data, licences, figures, limits
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from speechrnn.errors import InputError
from speechrnn.files import finish_replacing, read_json, replacing, write_atomically
from speechrnn.text import BOUNDARY, Tokenizer, lexicon_lines, normaliser, read_pronunciations

if TYPE_CHECKING:  # `speechrnn --version` lists packages, and imports no numpy
    import numpy as np

    from speechrnn.array_file import ArrayFile

FORMAT = 1  # the newest format of model.json that this code reads
DEFAULT = "english"  # the bundled package that is used when none is named
BUNDLED = Path(__file__).parent / "pretrained"
FILES = ("model.onnx", "tokens.txt", "model.json")
LEXICON = "lexicon.txt"  # beside them where the tokens are phones

LM = "lm"  # the folder
LEXICON_BIN = "lexicon.bin"  # in it
LEXICON_MAGIC = b"speechrnn lexicon\n"
LEXICON_FORMAT = 1  # another one is not read: the lexicon is built

CHARACTERS, PHONES = "characters", "phones"
OUTPUT_CASES = ("lower", "upper", "as_is")
METHODS = ("greedy", "beam")
# What else the decoder's description may hold, and the least that each may be.
WEIGHTS = {"beam": 1, "lm_weight": 0.0, "word_bonus": float("-inf"), "unknown_penalty": 0.0}
# Likewise, both or neither: how much of the label priors is taken away, and those (see `speechrnn.search.priors`).
PRIORS = PRIOR_WEIGHT, LOG_PRIORS = "prior_weight", "log_priors"


@dataclass(frozen=True)
class Package:
    """A model package's description, read and checked.

    `sample_rate` is in Hz. One output frame stands for `seconds_per_frame`, `subsampling` front-end frames.
    `normaliser` is what the training texts went through, `output_case` what transcripts go through. `decoder` holds the
    `method`, greedy or beam, and optionally the `beam`'s width, `lm_weight`, `word_bonus` and `unknown_penalty` of the beam
    search, `prior_weight` and `log_priors`, and `confidence` (see `speechrnn.alignment.confidence`). `lexicon_file` is what
    lm/lexicon.bin holds, None where there is none that was made of these texts.
    """

    format: int
    name: str
    sample_rate: int
    front_end: dict[str, Any]
    subsampling: int
    seconds_per_frame: float
    token_type: str
    word_boundary: str
    normaliser: str
    output_case: str
    decoder: dict[str, Any]
    language: str
    training: dict[str, Any]
    tokenizer: Tokenizer
    directory: Path
    lexicon_file: "ArrayFile | None" = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def model_path(self) -> Path:
        return self.directory / "model.onnx"

    @property
    def lm_directory(self) -> Path | None:
        """Where the language model is; None if the package has none."""
        return self.directory / LM if (self.directory / LM).exists() else None

    @property
    def calibration(self) -> tuple[float, float]:
        """What confidences of words go through; see `speechrnn.alignment.confidence`. (1, 0) leaves them as they are."""
        a, b = self.decoder.get("confidence", (1.0, 0.0))
        return a, b

    @property
    def samples_per_frame(self) -> int:
        """The hop of the output frames in samples, a whole number."""
        return round(self.seconds_per_frame * self.sample_rate)


# The keys of model.json, and what their values are
DESCRIBED: dict[str, Any] = {
    field.name: getattr(field.type, "__origin__", field.type)
    for field in fields(Package)
    if field.name not in ("tokenizer", "directory", "lexicon_file")
}


def read_package(path: str | os.PathLike) -> Package:
    """Read and check a package's description and tokens. The model itself is read by `speechrnn.acoustic.AcousticModel`.

    Raises:
        InputError: a file or a key is missing or wrong, or the package is of a newer format than this code reads.
    """
    finish_replacing(path)
    directory = Path(path)
    missing = [name for name in FILES if not (directory / name).is_file()]
    if missing:
        raise InputError(
            f"{directory}: expected a model package ({', '.join(FILES)}), found no {' and no '.join(missing)}; "
            "`speechrnn export` makes a package of a training run"
        )
    where = directory / "model.json"
    description = read_json(where)
    _check(str(where), description)
    tokenizer = Tokenizer.read(directory / "tokens.txt")
    made = None
    if description["token_type"] == PHONES:
        made = lexicon_file(directory)
        read = partial(read_pronunciations, directory / LEXICON, tokenizer.tokens)
        # What the file was made of was found to be right then.
        tokenizer = Tokenizer(tokenizer.tokens, read if made else read())
    decoder = description["decoder"]
    if decoder.get(PRIOR_WEIGHT) and len(decoder.get(LOG_PRIORS, [])) != len(tokenizer):
        raise InputError(
            f"{where}: decoder: {LOG_PRIORS}: expected one for each of the {len(tokenizer)} tokens, found "
            f"{len(decoder.get(LOG_PRIORS, []))}"
        )
    described = {name: description[name] for name in DESCRIBED}
    return Package(**described, tokenizer=tokenizer, directory=directory, lexicon_file=made)


def lexicon_file(directory: Path) -> "ArrayFile | None":
    """lm/lexicon.bin of a package; None if there is none, it is damaged, or it was made of other texts than stand there."""
    from speechrnn.array_file import open_arrays

    try:
        found = open_arrays(directory / LM / LEXICON_BIN, LEXICON_MAGIC, LEXICON_FORMAT, "a lexicon")
        right = found and (LEXICON_FORMAT, fingerprint(directory), checksum(found.arrays))
    except (OSError, InputError):
        return None
    return found if found and right == tuple(map(found.header.get, ("format", "texts", "checksum"))) else None


def fingerprint(directory: Path) -> list[list[int]]:
    """Sizes and checksums of the texts of a package that lm/lexicon.bin is made of.

    Raises:
        OSError: one cannot be read.
    """
    contents = [(directory / name).read_bytes() for name in ("tokens.txt", LEXICON)]
    return [[len(each), crc32(each)] for each in contents]


def checksum(arrays: Mapping[str, "np.ndarray"]) -> int:
    """Of named arrays, to find damage."""
    total = 0
    for name, array in arrays.items():
        total = crc32(array.data, crc32(f"{name} {array.dtype.str} {array.shape}".encode(), total))
    return total


def _check(where: str, description: Any) -> None:
    """Raise an InputError that begins with `where` if this is not the description of a package that we can use."""
    if not isinstance(description, dict):
        raise InputError(f"{where}: expected a JSON object, found {type(description).__name__}")
    version = description.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise InputError(f"{where}: format {version}: this speechrnn reads up to format {FORMAT}; upgrade")
    missing = [name for name in DESCRIBED if name not in description]
    if missing:
        raise InputError(f"{where}: missing: {', '.join(missing)}")
    for name, kind in DESCRIBED.items():
        value = description[name]
        right = _is_finite(value) if kind is float else isinstance(value, kind) and not isinstance(value, bool)
        if not right or (kind in (int, float) and value <= 0):
            wanted = {int: "a positive whole number", float: "a positive number", str: "a string", dict: "an object"}
            raise InputError(f"{where}: {name}: expected {wanted[kind]}, found {value!r}")
    shift = description["front_end"].get("shift_seconds")
    if shift is not None and not (_is_finite(shift) and shift > 0):
        raise InputError(f"{where}: front_end: shift_seconds: expected a positive number, found {shift!r}")
    rate, found = description["sample_rate"], description["seconds_per_frame"]
    expected = shift and round(shift * rate) * description["subsampling"] / rate
    if expected and abs(found - expected) > 1e-9:
        raise InputError(f"{where}: seconds_per_frame: expected {expected:g} (shift x subsampling), found {found:g}")
    for name, known in (
        ("token_type", (CHARACTERS, PHONES)),
        ("word_boundary", (BOUNDARY,)),
        ("output_case", OUTPUT_CASES),
    ):
        if description[name] not in known:
            raise InputError(f"{where}: {name}: expected {' or '.join(map(repr, known))}, found {description[name]!r}")
    _check_decoder(where, description["decoder"])
    try:
        normaliser(description["normaliser"])
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    hop = description["seconds_per_frame"] * description["sample_rate"]
    if round(hop) < 1 or abs(hop - round(hop)) > 1e-3:
        raise InputError(f"{where}: seconds_per_frame: expected a whole number of samples, found {hop:g}")


def _check_decoder(where: str, decoder: Mapping[str, Any]) -> None:
    if decoder.get("method") not in METHODS:
        raise InputError(f"{where}: decoder: expected the method 'greedy' or 'beam', found {dict(decoder)!r}")
    for name, least in WEIGHTS.items():
        value = decoder.get(name, 1)
        if not _is_finite(value) or value < least or (name == "beam" and not isinstance(value, int)):
            wanted = "a whole number" if name == "beam" else "a number"
            limit = "" if least == float("-inf") else f" of {least:g} or more"
            raise InputError(f"{where}: decoder: {name}: expected {wanted}{limit}, found {value!r}")
    priors = decoder.get(LOG_PRIORS, [])
    if not isinstance(priors, list) or not all(_is_finite(each) and each <= 0 for each in priors):
        raise InputError(f"{where}: decoder: {LOG_PRIORS}: expected logarithms of probabilities, found {priors!r}")
    weight = decoder.get(PRIOR_WEIGHT, 0)
    if not _is_finite(weight) or not 0 <= weight <= 1:
        raise InputError(f"{where}: decoder: {PRIOR_WEIGHT}: expected a number from 0 to 1, found {weight!r}")
    pair = decoder.get("confidence", [1, 0])
    if not isinstance(pair, list) or len(pair) != 2 or not all(map(_is_finite, pair)):
        raise InputError(f"{where}: decoder: confidence: expected two numbers, found {pair!r}")


def _is_finite(value: object) -> bool:
    """Whether this is a number, neither infinite nor NaN. JSON's true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def bundled() -> list[str]:
    """The names of the packages that come with speechrnn."""
    return sorted(path.parent.name for path in BUNDLED.glob("*/model.json"))


def write_package(
    directory: str | os.PathLike,
    model_onnx: bytes,
    tokenizer: Tokenizer,
    description: Mapping[str, Any],
    card: str,
    write_lm: Callable[[Path], None] | None = None,
) -> None:
    """Write a package, complete or not at all.

    The files are written into a directory beside it, which then takes its name; a package that stood there is replaced
    only then, whole.

    Args:
        directory: the package; its parent is made if need be.
        model_onnx: the serialised model.
        tokenizer: what the model's outputs mean.
        description: the contents of model.json.
        card: the contents of MODEL_CARD.md.
        write_lm: writes a language model into the folder of that name, after the texts beside it.

    Raises:
        InputError: the description is not one that `read_package` takes, or something else than a package stands there,
            or a package with further files in it.
    """
    directory = Path(os.path.realpath(directory))
    _check(str(directory / "model.json"), dict(description))
    empty = directory.is_dir() and not any(directory.iterdir())
    if directory.exists() and not empty and not (directory / "model.json").is_file():
        raise InputError(f"{directory}: expected nothing there or a model package to replace, found something else")
    ours = {*FILES, LEXICON, "MODEL_CARD.md"}
    others = sorted(entry.name for entry in directory.iterdir() if entry.name not in ours) if directory.exists() else []
    if others:
        raise InputError(
            f"{directory}: would be replaced, and it also holds {', '.join(others[:5])}: move that away first"
        )
    with replacing(directory) as partial:
        write_atomically(partial / "model.onnx", model_onnx)
        write_atomically(partial / "tokens.txt", tokenizer.lines())
        if tokenizer.has_phones:
            write_atomically(partial / LEXICON, lexicon_lines(tokenizer.pronunciations))
        write_atomically(partial / "model.json", _json(description))
        write_atomically(partial / "MODEL_CARD.md", card)
        if write_lm is not None:
            write_lm(partial / LM)


def write_decoder(
    package: Package,
    decoder: Mapping[str, Any],
    directory: str | os.PathLike,
    write_lm: Callable[[Path], None] | None = None,
) -> None:
    """Write a package with another decoder's description, and perhaps another language model, complete or not at all.

    Args:
        package: what everything else is taken from.
        decoder: the new description; what `confidence` the package has is kept.
        directory: the package itself, or where the new one goes.
        write_lm: writes a new language model into the folder of that name; None keeps what the package has.

    Raises:
        InputError: the description is not one that `read_package` takes, or another `directory` is not empty.
        OSError: it cannot be written; the old package is left as it is.
    """
    directory = Path(os.path.realpath(directory))
    source = Path(os.path.realpath(package.directory))
    if directory != source and directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(f"{directory}: expected the name of a folder that does not exist yet, found something there")
    description = read_json(source / "model.json")
    kept = {name: value for name, value in description["decoder"].items() if name not in ("method", *WEIGHTS, *PRIORS)}
    description["decoder"] = {**decoder, **kept}
    _check(str(directory / "model.json"), description)
    if directory == source and write_lm is None:
        write_atomically(directory / "model.json", _json(description))
        return
    with replacing(directory) as partial:
        # Links take no time and no space; but what is to be apart from its source is copied.
        copy = _link if directory == source else shutil.copy2
        shutil.copytree(source, partial, copy_function=copy)
        if write_lm is not None:
            shutil.rmtree(partial / LM, ignore_errors=True)
            write_lm(partial / LM)
        write_atomically(partial / "model.json", _json(description))


def _json(description: Mapping[str, Any]) -> str:
    return json.dumps(description, indent=2, ensure_ascii=False) + "\n"


def _link(source: str, target: str) -> None:
    """A hard link, or a copy where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
