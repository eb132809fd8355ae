"""What `speechrnn transcribe` is to transcribe: files, folders, manifests and stdin, as a list of recordings."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath

from speechrnn.audio import FOREIGN_SUFFIXES, SUFFIXES, source_name
from speechrnn.batching.recordings import STDIN, Recording
from speechrnn.errors import InputError, reason

NAMED = 5  # of the files that are passed over


def recordings(inputs: Sequence[str], note: Callable[[str], None]) -> Iterator[Recording | InputError]:
    """What the arguments stand for, in order, with the reason in place of what cannot be looked at.

    A folder stands for the audio files in it, at all levels, sorted; a .jsonl file for the utterances of a manifest.
    `note` is told which files of a folder are passed over.
    """
    for path in inputs:
        if path == STDIN:
            yield Recording(STDIN, "stdin", "stdin")
        elif os.path.isdir(path):
            yield from _in_folder(path, note)
        elif path.lower().endswith(".jsonl"):
            yield from _in_manifest(path)
        else:
            yield Recording(path, source_name(path), PurePath(path).stem)


def _in_folder(folder: str, note: Callable[[str], None]) -> Iterator[Recording | InputError]:
    """Links to folders are followed, but no folder is looked into twice: links may lead round in a circle."""
    unreadable: list[InputError] = []
    seen: set[tuple[int, int]] = set()
    paths: list[Path] = []
    others: list[Path] = []

    def fail(error: OSError) -> None:
        unreadable.append(InputError(f"{source_name(error.filename)}: cannot be read: {reason(error)}"))

    for inside, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        try:
            known = os.stat(inside)
        except OSError as error:  # deleted in this moment
            fail(error)
            continue
        if (known.st_dev, known.st_ino) in seen:
            folders.clear()
            continue
        seen.add((known.st_dev, known.st_ino))
        folders.sort()  # which of two ways to a folder is taken shall not depend on the disk
        for path in (Path(inside, name) for name in files if name[0] != "."):
            if _is_audio(path):
                paths.append(path)
            else:
                others.append(path)
    yield from unreadable
    if not paths and not unreadable:
        yield InputError(f"{source_name(folder)}: expected audio files in it ({' '.join(SUFFIXES)}), found none")
    elif others:
        names = [source_name(path.relative_to(folder)) for path in sorted(others)]
        shown = ", ".join([*names[:NAMED], *["..."] * (len(names) > NAMED)])
        note(f"{source_name(folder)}: not audio by name, passed over: {len(names)} ({shown})")
    for path in sorted(paths):
        yield Recording(str(path), source_name(path), str(path.relative_to(folder).with_suffix("")))


def _is_audio(path: Path) -> bool:
    """By its name. Pipes and dead links are not taken."""
    return path.suffix.lower() in SUFFIXES + FOREIGN_SUFFIXES and path.is_file()


def _in_manifest(path: str) -> Iterator[Recording | InputError]:
    from speechrnn.manifest import read_manifest

    try:
        utterances = read_manifest(path, texts=False)
    except InputError as error:
        yield error
        return
    for utterance in utterances:
        name = source_name(utterance.id)
        if PurePath(utterance.id).is_absolute() or ".." in PurePath(utterance.id).parts or "\0" in utterance.id:
            yield InputError(f"{source_name(path)}: the id {name} cannot name a file below a folder: choose another")
            continue
        yield Recording(utterance.audio_filepath, name, utterance.id, utterance.offset, utterance.duration)
