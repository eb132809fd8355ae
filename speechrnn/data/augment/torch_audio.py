"""torchaudio, which is imported only where it is used: a torch for CPUs alone trains without it."""

from importlib import import_module
from types import ModuleType

from speechrnn.errors import InputError


def torchaudio(part: str, switch: str, off: str) -> ModuleType:
    """A part of torchaudio, such as `functional`, for a switch of the configuration that `off` does without.

    Raises:
        InputError: torchaudio is there and cannot be imported.
    """
    try:
        return import_module(f"torchaudio.{part}")
    except ModuleNotFoundError:
        raise
    except Exception as error:  # noqa: BLE001 (OSError where its library does not load, and others)
        if isinstance(error.__cause__, KeyboardInterrupt):  # Ctrl-C while a compiled module starts
            raise
        raise InputError(
            f"{switch}: expected torchaudio, found that it cannot be imported ({' '.join(str(error).split())}): install the "
            f"torch that it was built for (`pip install '.[train]'`), or do without it: {off}"
        ) from None
