"""Who is held out of training, and what is said when voices cannot be told apart."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechrnn.data.corpora import LeftOut, Split
from speechrnn.data.corpora.dev_speakers import hold_out, read_dev, shared
from speechrnn.errors import InputError
from speechrnn.manifest import Utterance

RECIPES = Path(__file__).parents[2] / "recipes"


def said(speaker: str, number: int, seconds: float = 1.0, audio: str = "") -> Utterance:
    return Utterance(
        f"{speaker}{number}",
        audio or f"{speaker}{number}.wav",
        f"text {speaker}{number}",
        duration=seconds,
        speaker=speaker,
    )


def split(name: str, utterances: list[Utterance], left_out: tuple[LeftOut, ...] = ()) -> Split:
    return Split(name, utterances, list(left_out))


def seconds(split: Split) -> float:
    return sum(utterance.duration for utterance in split.utterances)


speech = st.lists(st.tuples(st.sampled_from(["", *"abcdefgh"]), st.integers(1, 50)), min_size=30, max_size=60)


@given(speech, st.floats(0.1, 0.9))
def test_a_share_is_not_exceeded_and_nothing_is_lost(spoken, share):
    everything = [said(speaker, number, float(length)) for number, (speaker, length) in enumerate(spoken)]
    train, dev, whole = hold_out([split("all", everything)], share)
    assert [s.name for s in (train, dev, whole)] == ["train", "dev", "train_all"]
    assert whole.utterances == everything
    assert sorted(train.utterances + dev.utterances, key=lambda u: u.id) == sorted(everything, key=lambda u: u.id)
    assert 0 < seconds(dev) <= share * seconds(whole) * (1 + 1e-9)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=50), st.floats(0.15, 0.9))
def test_the_order_does_not_matter(spoken, share):
    everything = [said(speaker, number) for number, speaker in enumerate([*"abcdefgh", *spoken])]
    orders = everything, everything[::-1]
    held_out = [{u.id for u in hold_out([split("all", utterances)], share)[1].utterances} for utterances in orders]
    assert held_out[0] == held_out[1] != set()


def test_a_share_is_of_whole_speakers_where_they_fit():
    everything = [said(speaker, number) for speaker in "abcdefghij" for number in range(5)]
    train, dev, _ = hold_out([split("all", everything)], 0.2)
    assert len({u.speaker for u in dev.utterances}) == 2 and len(dev.utterances) == 10
    assert not shared(train, dev)


def test_without_speakers_it_is_of_recordings_and_says_so():
    parts = [said("", number, audio=f"talk{number // 4}.wav") for number in range(40)]
    train, dev, _ = hold_out([split("all", parts)], 0.25)
    assert not {u.audio_filepath for u in train.utterances} & {u.audio_filepath for u in dev.utterances}
    [warning] = shared(train, dev)
    assert warning.startswith("voices of dev may be in train (40 utterances name no speaker): ")


def test_one_speaker_and_one_recording():
    train, dev, _ = hold_out([split("all", [said("ann", number) for number in range(20)])], 0.1)
    [warning] = shared(train, dev)
    assert len(dev.utterances) == 2 and warning.startswith("voices of dev may be in train (ann in both): ")
    talk = [said("ann", number, audio="talk.wav") for number in range(20)]
    assert len(hold_out([split("all", talk)], 0.1)[1].utterances) == 2
    with pytest.raises(InputError, match="expected an utterance with no more than 0.1 of the audio"):
        hold_out([split("all", talk[:1])], 0.1)
    two = [said(speaker, number) for speaker in "ab" for number in range(10)]  # half of all is too much
    assert "in both" in shared(*hold_out([split("all", two)], 0.1)[:2])[0]


def test_texts_that_dev_and_train_share_are_counted():
    prompts = [Utterance(f"{who}{n}", f"{who}{n}.wav", f"prompt {n}", 0.0, 1.0, who) for who in "abc" for n in range(3)]
    train, dev, _ = hold_out([split("all", prompts)], {"b"})
    assert shared(train, dev) == ["3 of 3 texts of dev are in train: its error rate says little about new texts"]


def test_named_speakers_divide_only_the_subsets_that_have_them():
    corpus = [
        split("dev-clean", [said("c", 0)]),
        split("train-clean-100", [said("d", 0)]),
        split("train-clean-5", [said("a", 0), said("b", 0)], (LeftOut("b1", "empty transcript", speaker="b"),)),
    ]
    found = hold_out(corpus, {"b"})
    ids = {s.name: [u.id for u in s.utterances] for s in found}
    assert ids == {
        "train": ["a0"],
        "dev": ["b0"],
        "train_all": ["a0", "b0"],
        "dev-clean": ["c0"],
        "train-clean-100": ["d0"],
    }
    assert [[item.id for item in s.left_out] for s in found[:3]] == [[], ["b1"], ["b1"]]
    with pytest.raises(InputError, match="not among the speakers of the training set: c$"):
        hold_out(corpus, {"b", "c"})


def test_what_stands_in_two_subsets_is_taken_once_by_name():
    train, dev, whole = hold_out(
        [split(name, [said("a", 0), said("b", 0)]) for name in ("train-5", "train-100")], {"a"}
    )
    assert [len(s.utterances) for s in (train, dev, whole)] == [1, 1, 2]
    assert {(item.id, item.reason) for item in whole.left_out} == {
        ("a0", "same id as another utterance"),
        ("b0", "same id as another utterance"),
    }


def test_a_corpus_with_a_dev_set_of_its_own_keeps_it():
    with pytest.raises(InputError, match=r"a division of its own \(dev\)"):
        hold_out([split("train", [said("a", 0), said("b", 0)]), split("dev", [said("c", 0)])], {"a"})


def test_the_only_subset_is_divided_whatever_its_name():
    found = hold_out([split("dev-clean", [said("a", 0), said("b", 0)])], {"b"})
    assert [[u.speaker for u in s.utterances] for s in found] == [["a"], ["b"], ["a", "b"]]


def test_a_corpus_without_anything_to_train_on():
    with pytest.raises(InputError, match="expected a manifest to divide, named all or train..., found dev, test$"):
        hold_out([split("dev", [said("a", 0)]), split("test", [said("b", 0)])], 0.5)


def test_the_argument_and_the_files_of_the_recipes(tmp_path):
    assert read_dev("12.5%") == 0.125
    for wrong in ("0%", "100%", "ten%", "-1%"):
        with pytest.raises(InputError, match="a share of the audio such as 10%"):
            read_dev(wrong)
    with pytest.raises(InputError, match="nobody: expected UTF-8 text, found no such file"):
        read_dev(str(tmp_path / "nobody"))
    (tmp_path / "empty").write_text("# none\n")
    with pytest.raises(InputError, match="expected the name of a speaker on each line"):
        read_dev(str(tmp_path / "empty"))
    assert len(read_dev(str(RECIPES / "an4" / "dev_speakers.txt"))) == 8
    assert read_dev(str(RECIPES / "mini_librispeech" / "dev_speakers.txt")) == {"32", "669", "1737", "7312"}
