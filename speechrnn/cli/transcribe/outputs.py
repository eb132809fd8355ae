"""Where results go: lines on stdout, or files below a folder."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from speechrnn.audio.sources import printable, source_name
from speechrnn.batching.recordings import Recording
from speechrnn.errors import InputError, reason
from speechrnn.transcript import Segment, Transcript
from speechrnn.writers import FORMATS
from speechrnn.writers.tables import one_field

SUFFIXES = {"textgrid": "TextGrid"}  # where it is not the format's name: what Praat's users expect


class Lines:
    """Results on stdout, as soon as they are there.

    Args:
        format: one of `FORMATS`.
        named: whether text needs the recording's name before it, for there are several.
        numbered: whether text needs the channel's number before it.
    """

    def __init__(self, format: str, named: bool, numbered: bool):
        self.formats = [format]
        self._format, self._named, self._numbered = format, named, numbered
        self.as_it_comes = format == "txt" and not named and not numbered  # but for n-best lists
        self._came = False

    def segment(self, segment: Segment) -> None:
        """What is known of the only recording before all of it is."""
        self._came = True
        sys.stdout.write(f"{segment.text}\n")
        sys.stdout.flush()

    def write(self, recording: Recording, channels: Sequence[Transcript]) -> None:
        if self._came:
            return
        if self._format == "txt":
            contents = "".join(f"{line}\n" for line in self._text(recording.name, channels))
        else:
            contents = FORMATS[self._format].write(printable(recording.id), *channels)
        sys.stdout.write(contents)
        sys.stdout.flush()

    def _text(self, name: str, channels: Sequence[Transcript]) -> list[str]:
        if channels[0].hypotheses is not None:
            return [
                f"{name}\t{rank}\t{found.score:.3f}\t{found.acoustic:.3f}\t{found.language:.3f}\t{found.text}"
                for rank, found in enumerate(channels[0].hypotheses, start=1)
            ]
        if not self._named:
            return FORMATS["txt"].write(name, *channels).splitlines()
        if self._numbered:
            from speechrnn.writers.stretches import turns

            return [f"{name}\t{turn.channel}\t{turn.text}" for turn in turns(channels)] or [f"{name}\t1\t"]
        return [f"{name}\t{channels[0].text}"]


class Files:
    """Results as files below a folder, named by the recordings' ids, each whole or not there.

    Raises:
        InputError: the folder cannot be made or written to.
    """

    def __init__(self, folder: str, formats: Sequence[str], replace: bool):
        self.formats = list(formats)
        self._folder, self._replace = Path(folder), replace
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise InputError(f"-o {source_name(folder)}: expected a folder, found a file") from None
        except (OSError, ValueError) as error:
            raise InputError(f"-o {source_name(folder)}: cannot be made: {reason(error)}") from None
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise InputError(f"-o {source_name(folder)}: cannot be written to")

    def paths(self, recording: Recording) -> dict[str, Path]:
        """Where its results belong, by format."""
        return {name: self._folder / f"{recording.id}.{SUFFIXES.get(name, name)}" for name in self.formats}

    def missing(self, recording: Recording) -> list[str]:
        """The formats of which there is no file yet."""
        return [name for name, path in self.paths(recording).items() if not os.path.lexists(path)]

    def write(self, recording: Recording, channels: Sequence[Transcript]) -> None:
        """Write what is missing, or everything where files may be replaced."""
        from speechrnn.files import write_atomically

        paths = self.paths(recording)
        for name in self.formats if self._replace else self.missing(recording):
            write_atomically(paths[name], FORMATS[name].write(printable(recording.id), *channels))


def check_names(recordings: Sequence[Recording], formats: Sequence[str]) -> None:
    """Raise an InputError if the results of two recordings could not be told from each other: they would have one name."""
    first: dict[str, Recording] = {}
    nist = not {"ctm", "trn"}.isdisjoint(formats)
    for recording in recordings:
        written = one_field(printable(recording.id)) if nist else recording.id
        other = first.setdefault(written, recording)
        if other is not recording:
            raise InputError(
                f"{source_name(other.path)} and {source_name(recording.path)} would both be called {printable(written)} "
                f"in {', '.join(formats)}: transcribe them apart"
            )


def check_files(files: Files, recordings: Sequence[Recording], inputs: Sequence[str], may_be_there: bool) -> None:
    """Raise an InputError if a file is in the way, before any work is done. What is read is never written over."""
    ours = {os.path.realpath(path) for path in [*inputs, *(recording.path for recording in recordings)]}
    there = []
    for recording in recordings:
        for path in files.paths(recording).values():
            if os.path.realpath(path) in ours:
                raise InputError(f"{source_name(path)}: would be written over, and it is an input: choose another -o")
            if not may_be_there and os.path.lexists(path):
                there.append(path)
    if there:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise InputError(
            f"{source_name(there[0])}{more}: there already: --resume leaves it and does the rest, --overwrite replaces it"
        )
