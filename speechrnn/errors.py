"""The one error that a user's input can raise, and what it says of Python's own."""

from numbers import Integral


class InputError(Exception):
    """Something that was handed in cannot be used: a file, a text, a manifest line, a configuration value.

    The message is one line that names the thing, says what was expected and what was found. The command line prints it
    without a traceback and exits with status 1.
    """


def reason(error: Exception) -> str:
    """What an error of Python's says, without the number and the file's name that an OSError has around it."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def check_count(name: str, value: object) -> None:
    """Raise an InputError if this argument is not a whole number of 1 or more."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise InputError(f"{name}: expected a whole number, found {value!r}")
    if value < 1:
        raise InputError(f"{name}: expected 1 or more, found {value}")
