"""The one error that a user's input can raise."""


class InputError(Exception):
    """Something that was handed in cannot be used: a file, a text, a manifest line, a configuration value.

    The message is one line that names the thing, says what was expected and what was found. The command line prints it
    without a traceback and exits with status 1.
    """
