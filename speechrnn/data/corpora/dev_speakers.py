"""A dev set of speakers who are held out of training: what a model does for them, it will do for others."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from speechrnn.data.corpora import LeftOut, Split, read_lines, total_seconds
from speechrnn.errors import InputError
from speechrnn.manifest import Utterance

TRAINING = ("all", "train")  # how the names of splits begin that may be divided, where there are several


def read_dev(text: str) -> set[str] | float:
    """What ``--dev-speakers`` says: the speakers that a file names, or a share of the audio, ``10%`` as 0.1.

    Raises:
        InputError: the file cannot be read or names nobody, or the share is not between 0 and 100 %.
    """
    if not text.endswith("%"):
        return read_speakers(Path(text))
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise InputError(f"--dev-speakers {text}: expected a file of speakers, or a share of the audio such as 10%")
    return share


def hold_out(splits: Sequence[Split], dev: set[str] | float) -> list[Split]:
    """The splits with one or more of them replaced by train, dev and train_all, which is both.

    Args:
        splits: of a corpus. Those are divided whose names begin with one of `TRAINING`, or the only one there is.
        dev: the dev speakers: the splits that have them are divided, together. Or a share of the audio: all are divided, and
            dev gets every speaker who still fits into that share, in an order that depends on the names alone. Where no
            speaker is known, or none has so little, it gets recordings.

    Raises:
        InputError: there is none of them, a speaker is in none, the share is too small, or the corpus has a dev set.
    """
    training = [split for split in splits if split.name.startswith(TRAINING) or len(splits) == 1]
    if not training:
        names = ", ".join(split.name for split in splits)
        raise InputError(
            f"--dev-speakers: expected a manifest to divide, named {' or '.join(TRAINING)}..., found {names}"
        )
    if isinstance(dev, float):
        whole = _joined(training)
        held_out = _some(whole.utterances, dev)
    else:
        training = [split for split in training if dev & _speakers([*split.utterances, *split.left_out])]
        whole = _joined(training)
        unknown = sorted(dev - _speakers([*whole.utterances, *whole.left_out]))
        if unknown:
            raise InputError(f"--dev-speakers: not among the speakers of the training set: {', '.join(unknown)}")
        held_out = {utterance.id for utterance in whole.utterances if utterance.speaker in dev}
    rest = [split for split in splits if split not in training]
    own = sorted({"train", "dev", "train_all"} & {split.name for split in rest})
    if own:
        raise InputError(f"--dev-speakers: the corpus has a division of its own ({', '.join(own)}): leave it out")
    return [*_divided(whole, held_out), whole, *rest]


def read_speakers(path: Path) -> set[str]:
    """The names in a text file, one a line; lines that start with # are comments.

    Raises:
        InputError: there is none in it, or it cannot be read.
    """
    speakers = {line for _, line in read_lines(path) if not line.startswith("#")}
    if not speakers:
        raise InputError(f"{path}: expected the name of a speaker on each line, found none")
    return speakers


def shared(train: Split, dev: Split) -> list[str]:
    """What dev may have in common with train, a line each: voices, texts."""
    found = []
    both = sorted(_speakers(train.utterances) & _speakers(dev.utterances))
    nameless = sum(not utterance.speaker for utterance in [*train.utterances, *dev.utterances])
    if both or nameless:
        reason = f"{', '.join(both[:3])}{', ...' * (len(both) > 3)} in both; " * bool(both)
        reason += f"{nameless} utterances name no speaker; " * bool(nameless)
        found.append(f"voices of dev may be in train ({reason[:-2]}): its error rate says little about new voices")
    texts = {utterance.text for utterance in train.utterances if utterance.text}
    repeated = sum(utterance.text in texts for utterance in dev.utterances)
    if repeated:
        found.append(
            f"{repeated} of {len(dev.utterances)} texts of dev are in train: its error rate says little about new texts"
        )
    return found


def _speakers(found: Iterable[Utterance | LeftOut]) -> set[str]:
    return {item.speaker for item in found} - {""}


def _joined(training: Sequence[Split]) -> Split:
    """The splits as one, train_all; what is in two of them is left out of the second."""
    whole = Split("train_all", [], [item for split in training for item in split.left_out])
    taken: dict[str, Utterance] = {}
    for utterance in (utterance for split in training for utterance in split.utterances):
        if taken.setdefault(utterance.id, utterance) is utterance:
            whole.utterances.append(utterance)
        else:
            detail = taken[utterance.id].audio_filepath
            whole.left_out.append(LeftOut(utterance.id, "same id as another utterance", detail, utterance.speaker))
    return whole


def _some(utterances: Sequence[Utterance], share: float) -> set[str]:
    """The ids of utterances with no more than that share of the audio: of speakers, else of recordings, else any of them."""
    first: dict[str, str] = {}  # a recording by the id of its first utterance: paths differ between machines
    for utterance in utterances:
        first.setdefault(utterance.audio_filepath, utterance.id)
    room = share * total_seconds(utterances)
    for name_of in (lambda u: u.speaker or first[u.audio_filepath], lambda u: first[u.audio_filepath], lambda u: u.id):
        groups: dict[str, list[Utterance]] = {}
        for utterance in utterances:
            groups.setdefault(name_of(utterance), []).append(utterance)
        seconds, taken = 0.0, set()
        for name in sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest()):
            more = total_seconds(groups[name])
            if seconds + more <= room:
                seconds += more
                taken |= {utterance.id for utterance in groups[name]}
        if taken:
            return taken
    raise InputError(f"--dev-speakers: expected an utterance with no more than {share:.3g} of the audio, found none")


def _divided(whole: Split, held_out: set[str]) -> tuple[Split, Split]:
    """train and dev. What was left out goes with its speaker; to train, if that one is in both."""
    train = Split("train", [utterance for utterance in whole.utterances if utterance.id not in held_out], [])
    dev = Split("dev", [utterance for utterance in whole.utterances if utterance.id in held_out], [])
    theirs = _speakers(dev.utterances) - _speakers(train.utterances)
    return (
        replace(train, left_out=[item for item in whole.left_out if item.speaker not in theirs]),
        replace(dev, left_out=[item for item in whole.left_out if item.speaker in theirs]),
    )
