"""LibriSpeech, and lhotse as a second opinion on the same tree."""

import numpy as np
import pytest
import soundfile

from speechrnn.data.corpora import ENGLISH, Rules
from speechrnn.data.corpora.lhotse_recipes import prepare_lhotse
from speechrnn.data.corpora.librispeech import prepare_librispeech
from speechrnn.errors import InputError

RULES = Rules("upper", ENGLISH)
TEXTS = {
    "dev-clean": {"84-121123-0000": "GO DO YOU HEAR", "84-121123-0001": "BUT IN LESS THAN FIVE MINUTES"},
    "train-clean-5": {"19-198-0000": "NORTHANGER ABBEY", "19-227-0000": "CATHERINE'S", "26-495-0000": "A"},
}


def make_librispeech(root):
    rng = np.random.default_rng(0)
    for subset, texts in TEXTS.items():
        for name, text in texts.items():
            reader, chapter, _ = name.split("-")
            folder = root / subset / reader / chapter
            folder.mkdir(parents=True, exist_ok=True)
            samples = 0.01 * rng.standard_normal(rng.integers(4000, 9000))
            soundfile.write(folder / f"{name}.flac", samples, 16000)
            with open(folder / f"{reader}-{chapter}.trans.txt", "a") as file:
                file.write(f"{name} {text}\n")


def facts(splits):
    return {
        split.name: sorted((u.id, u.text, u.speaker, u.offset, u.duration, u.audio_filepath) for u in split.utterances)
        for split in splits
    }


def test_subsets_below_src_below_librispeech_and_src_itself(tmp_path):
    make_librispeech(tmp_path / "LibriSpeech")
    here = facts(prepare_librispeech(tmp_path / "LibriSpeech", RULES))
    assert {name: {u[0]: u[1] for u in split} for name, split in here.items()} == TEXTS
    assert facts(prepare_librispeech(tmp_path, RULES)) == here
    one = facts(prepare_librispeech(tmp_path / "LibriSpeech" / "dev-clean", RULES))
    assert one == {"dev-clean": here["dev-clean"]}


def test_equals_lhotse(tmp_path):
    make_librispeech(tmp_path)
    ours = prepare_librispeech(tmp_path, RULES)
    theirs = prepare_lhotse("librispeech", tmp_path, tmp_path / "out", Rules("raw"))
    assert facts(ours) == facts(theirs)


def test_defects_are_left_out_by_name(tmp_path):
    make_librispeech(tmp_path)
    chapter = tmp_path / "train-clean-5" / "19" / "198"
    with open(chapter / "19-198.trans.txt", "a") as file:
        file.write("19-198-0001 ABSENT\n19-198-0002\n19-198-0003 ÇA 3\n")
    for name in ("19-198-0002", "19-198-0003", "19-198-0004"):
        soundfile.write(chapter / f"{name}.flac", np.zeros(1600), 16000)
    (tmp_path / "train-clean-5" / "19" / "227" / "19-227.trans.txt").unlink()
    split = prepare_librispeech(tmp_path, RULES)[1]
    assert {u.id for u in split.utterances} == {"19-198-0000", "26-495-0000"}
    assert {(item.id, item.reason) for item in split.left_out} == {
        ("19-198-0001", "missing audio"),
        ("19-198-0002", "empty transcript"),
        ("19-198-0003", "characters outside the alphabet"),
        ("19-198-0004", "no transcript"),
        ("19-227-0000", "no transcript"),
    }


def test_no_subset_or_the_same_twice_is_an_error(tmp_path):
    with pytest.raises(InputError, match="expected subsets of LibriSpeech"):
        prepare_librispeech(tmp_path, RULES)
    make_librispeech(tmp_path)
    make_librispeech(tmp_path / "LibriSpeech")
    with pytest.raises(InputError, match="dev-clean, train-clean-5 both"):
        prepare_librispeech(tmp_path, RULES)
