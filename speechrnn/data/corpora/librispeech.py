"""LibriSpeech and mini-LibriSpeech, as openslr.org ships them.

LibriSpeech/dev-clean/84/121123/84-121123.trans.txt    84-121123-0000 GO DO YOU HEAR
LibriSpeech/dev-clean/84/121123/84-121123-0000.flac
"""

from collections.abc import Iterator
from pathlib import Path

from speechrnn.data.corpora import LeftOut, Rules, Split, check, read_lines, require_folder
from speechrnn.errors import InputError
from speechrnn.manifest import Utterance

_TRANSCRIPTS = "*/*/*.trans.txt"  # reader, chapter


def prepare_librispeech(source: Path, rules: Rules) -> list[Split]:
    """One split a subset (train-clean-5, dev-clean, ...) in `source` or ``source/LibriSpeech``, or `source` itself.

    Raises:
        InputError: there is none.
    """
    require_folder(source)
    folders = [source, *sorted(source.glob("*")), *sorted(source.glob("LibriSpeech/*"))]
    subsets = [folder for folder in folders if folder.is_dir() and any(folder.glob(_TRANSCRIPTS))]
    if not subsets:
        raise InputError(
            f"{source}: expected subsets of LibriSpeech such as dev-clean in it or in its folder LibriSpeech, "
            f"found no <subset>/{_TRANSCRIPTS}"
        )
    names = [subset.absolute().name for subset in subsets]
    twice = sorted(name for name in set(names) if names.count(name) > 1)
    if twice:
        raise InputError(
            f"{source}: found {', '.join(twice)} both in it and in its folder LibriSpeech; name one of them"
        )
    return [check(name, _found(subset), rules) for name, subset in zip(names, subsets, strict=True)]


def _found(subset: Path) -> Iterator[Utterance | LeftOut]:
    for chapter in sorted(path for path in subset.glob("*/*") if path.is_dir()):
        speaker = chapter.parent.name
        named = set()
        for transcripts in sorted(chapter.glob("*.trans.txt")):
            for _, line in read_lines(transcripts):
                utterance_id, _, text = line.partition(" ")
                named.add(utterance_id)
                yield Utterance(utterance_id, str(chapter / f"{utterance_id}.flac"), text, speaker=speaker)
        for audio in sorted(chapter.glob("*.flac")):
            if audio.stem not in named:
                yield LeftOut(audio.stem, "no transcript", f"{audio} is in no .trans.txt beside it", speaker)
