"""speechrnn: speech recognition with deep bidirectional GRUs and CTC.

Examples:
    >>> import speechrnn
    >>> recognizer = speechrnn.load("an4", threads=1)
    >>> recognizer.transcribe("examples/letters.wav").text
    'S M I T H'
    >>> [(word.text, round(word.start, 2)) for word in recognizer.transcribe("examples/command.wav", times=True).words]
    [('ENTER', 0.34), ('SIX', 0.83), ('EIGHT', 1.18)]

See docs/api.md for more.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speechrnn.errors import InputError
    from speechrnn.recognizer import Recognizer
    from speechrnn.search.decoder import HotwordWeights, Lm
    from speechrnn.transcript import Hypothesis, Segment, Transcript, Word

# Where each name is: they are imported on first use, for `import speechrnn` brings not even numpy
_HOMES = {
    "Recognizer": "recognizer",
    "Transcript": "transcript",
    "Segment": "transcript",
    "Word": "transcript",
    "Hypothesis": "transcript",
    "InputError": "errors",
}

__all__ = ["Hypothesis", "InputError", "Recognizer", "Segment", "Transcript", "Word", "__version__", "load"]


def load(
    name_or_path: str | os.PathLike | None = None,
    threads: int | None = None,
    *,
    lm: "Lm" = None,
    hotwords: "HotwordWeights" = None,
    beam: int | None = None,
    nbest: int | None = None,
) -> "Recognizer":
    """A recogniser with a model package: a bundled one by its name, one in a directory, or the default one.

    Several threads may use one recogniser at the same time.

    Args:
        name_or_path: the package; None is the default one.
        threads: how many CPU threads to use; None leaves it to ONNX Runtime, which takes the physical cores.
        lm: a language model's file (of `speechrnn lm build`, or ARPA); None is the package's own if it has one, False none.
        hotwords: words and phrases to favour, or a dict with a weight for each.
        beam: how wide the search is; None is what the package says.
        nbest: how many hypotheses a transcript shall have at most; None is none but the text.

    Raises:
        speechrnn.InputError: there is no such package, or it cannot be used, or not with these.
    """
    from speechrnn.recognizer import Recognizer

    return Recognizer(name_or_path, threads, lm=lm, hotwords=hotwords, beam=beam, nbest=nbest)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"speechrnn.{_HOMES[name]}"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("speechrnn")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
