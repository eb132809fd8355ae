"""English texts made comparable for scoring: OpenAI whisper's EnglishTextNormalizer, of the package whisper-normalizer.

What it does: appendix C of Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022).
"""

from collections.abc import Callable
from importlib.metadata import version

from speechrnn.errors import InputError

_PACKAGE = "whisper-normalizer"


def english() -> Callable[[str], str]:
    """The normaliser: texts to lower case words and figures with single spaces.

    Raises:
        InputError: the package is not installed.
    """
    _require()
    from whisper_normalizer.english import EnglishTextNormalizer

    normalise = EnglishTextNormalizer()
    return lambda text: " ".join(normalise(text).split())  # it leaves spaces at both ends


def english_label() -> str:
    """What reports call it: with the package and its version, on which the figures depend."""
    return f"english ({_PACKAGE} {_require()})"


def _require() -> str:
    """The package's version."""
    try:
        return version(_PACKAGE)
    except ModuleNotFoundError:  # importlib.metadata's PackageNotFoundError is one
        raise InputError(
            f"normaliser 'english': needs {_PACKAGE}, which is not installed: `pip install '.[english]'` in "
            f"speechrnn's source folder, or `pip install {_PACKAGE}`"
        ) from None
