"""AN4 in all the forms in which it was published gives the same manifests of the same sound."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechrnn.data.corpora import ENGLISH, Rules
from speechrnn.data.corpora.an4 import byte_order, prepare_an4
from speechrnn.data.corpora.dev_speakers import hold_out
from speechrnn.errors import InputError

RULES = Rules("upper", ENGLISH)
TRAIN = [("fash", "an251-fash-b", "YES"), ("fash", "an253-fash-b", "O H"), ("mdmc", "cen1-mdmc-b", "GO")]
TEST = [("fcaw", "an406-fcaw-b", "RUBOUT G M E F THREE NINE"), ("fcaw", "an407-fcaw-b", "ERASE C Q Q F SEVEN")]
WRITERS = {
    "wav": lambda path, samples: soundfile.write(path, samples, 16000, format="WAV", subtype="PCM_16"),
    "flac": lambda path, samples: soundfile.write(path, samples, 16000, format="FLAC", subtype="PCM_16"),
    "sph": lambda path, samples: soundfile.write(path, samples, 16000, format="NIST", subtype="PCM_16"),
    "little.raw": lambda path, samples: path.write_bytes(samples.astype("<i2").tobytes()),
    "big.raw": lambda path, samples: path.write_bytes(samples.astype(">i2").tobytes()),
}


def sound(seed: int, seconds: float = 0.5) -> np.ndarray:
    """int16 noise with the spectral tilt of speech, at 16 kHz."""
    noise = np.random.default_rng(seed).standard_normal(int(16000 * seconds) + 15)
    return (600 * np.convolve(noise, np.hanning(16), "valid")).astype(np.int16)


def make_an4(root: Path, kind: str = "wav") -> dict[str, np.ndarray]:
    samples = {}
    for split, corpus, utterances, form in (
        ("train", "an4_clstk", TRAIN, "<s> {} </s> ({})\n"),
        ("test", "an4test_clstk", TEST, "{} ({})\n"),
    ):
        (root / "etc").mkdir(parents=True, exist_ok=True)
        fileids = "".join(f"{corpus}/{speaker}/{name}\n" for speaker, name, _ in utterances)
        (root / "etc" / f"an4_{split}.fileids").write_text(fileids)
        lines = "".join(form.format(text, name) for _, name, text in utterances)
        (root / "etc" / f"an4_{split}.transcription").write_text(lines)
        for seed, (speaker, name, _) in enumerate(utterances):
            samples[name] = sound(seed, seconds=0.5 + 0.25 * seed)
            path = root / "wav" / corpus / speaker / f"{name}.{kind.split('.')[-1]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            WRITERS[kind](path, samples[name])
    return samples


@pytest.mark.parametrize("kind", WRITERS)
def test_every_published_form_gives_the_same_utterances_and_samples(tmp_path, kind):
    samples = make_an4(tmp_path / "an4", kind)
    train, test = prepare_an4(tmp_path, tmp_path / "out", RULES)
    assert [(u.speaker, u.id, u.text) for u in train.utterances] == TRAIN
    assert [(u.speaker, u.id, u.text) for u in test.utterances] == TEST
    assert not train.left_out and not test.left_out
    for utterance in train.utterances + test.utterances:
        found, rate = soundfile.read(utterance.audio_filepath, dtype="int16")
        assert rate == 16000
        np.testing.assert_array_equal(found, samples[utterance.id])
        assert utterance.duration == len(found) / 16000


def test_byte_order_of_silence_is_told_by_its_neighbours(tmp_path):
    quiet = np.random.default_rng(0).integers(-1, 2, 1000)
    for order in ("<i2", ">i2"):
        (tmp_path / "a.raw").write_bytes(quiet.astype(order).tobytes())
        (tmp_path / "b.raw").write_bytes(sound(1).astype(order).tobytes())
        assert byte_order([tmp_path / "a.raw", tmp_path / "b.raw"]) == order


def test_dev_speakers_are_held_out_of_train_and_not_of_train_all(tmp_path):
    make_an4(tmp_path)
    splits = {s.name: s for s in hold_out(prepare_an4(tmp_path, tmp_path, RULES), {"mdmc"})}
    assert list(splits) == ["train", "dev", "train_all", "test"]
    assert {u.speaker for u in splits["dev"].utterances} == {"mdmc"}
    assert {u.speaker for u in splits["train"].utterances} == {"fash"}
    assert [u.id for u in splits["train_all"].utterances] == [name for _, name, _ in TRAIN]


def test_an_unknown_dev_speaker_is_named(tmp_path):
    make_an4(tmp_path)  # fcaw is in the test set only
    with pytest.raises(InputError, match="not among the speakers of the training set: fcaw$"):
        hold_out(prepare_an4(tmp_path, tmp_path, RULES), {"mdmc", "fcaw"})


def test_defects_are_left_out_by_name_and_follow_their_speaker(tmp_path):
    make_an4(tmp_path)
    etc, wav = tmp_path / "etc", tmp_path / "wav" / "an4_clstk"
    (wav / "fash" / "an251-fash-b.wav").unlink()
    (wav / "fash" / "an253-fash-b.wav").write_bytes(b"RIFF, but no more of it")
    with open(etc / "an4_train.fileids", "a") as file:
        file.write("an4_clstk/mdmc/cen2-mdmc-b\nan4_clstk/mdmc/cen3-mdmc-b\n")
    (wav / "mdmc" / "cen3-mdmc-b.raw").write_bytes(b"odd")
    with open(etc / "an4_train.transcription", "a") as file:
        file.write("<s> NOBODY </s> (an1-none-b)\n<s> NO ID </s>\n<s> UH </s> (cen3-mdmc-b)\n")
    splits = {s.name: s for s in hold_out(prepare_an4(tmp_path, tmp_path, RULES), {"mdmc"})}
    train = {(item.id, item.reason) for item in splits["train"].left_out}
    dev = {(item.id, item.reason) for item in splits["dev"].left_out}
    assert train == {
        ("an251-fash-b", "missing audio"),
        ("an253-fash-b", "unreadable audio"),
        ("an1-none-b", "transcript without a recording"),
        ("an4_train.transcription:5", "not of the form 'TEXT (ID)'"),
    }
    assert dev == {("cen2-mdmc-b", "no transcript"), ("cen3-mdmc-b", "unreadable audio")}
    assert [u.id for u in splits["train_all"].utterances] == ["cen1-mdmc-b"]


def test_a_folder_that_is_not_an4_says_what_was_looked_for(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "an4_train.fileids").write_text("")
    with pytest.raises(InputError, match=r"an4_train\.transcription, an4_test\.fileids, an4_test\.transcription"):
        prepare_an4(tmp_path, tmp_path, RULES)
