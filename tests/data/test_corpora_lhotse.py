"""lhotse's recipes as manifests."""

import numpy as np
import pytest
import soundfile
from lhotse import AudioSource, Recording, RecordingSet, SupervisionSegment, SupervisionSet

from speechrnn.data.corpora import Rules, check
from speechrnn.data.corpora.lhotse_recipes import _found, _splits, find_recipe, prepare_lhotse
from speechrnn.errors import InputError

RAW = Rules("raw")


def wav(path, seconds=0.25, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full((int(seconds * 8000), channels), 0.1), 8000)


def test_yesno_end_to_end(tmp_path):
    for number in range(60):
        bits = f"{number:08b}"
        wav(tmp_path / "waves_yesno" / f"{'_'.join(bits)}.wav")
    train, test = sorted(
        prepare_lhotse("yesno", tmp_path / "waves_yesno", tmp_path, RAW), key=lambda s: s.name != "train"
    )
    assert (train.name, test.name) == ("train", "test")
    assert len(train.utterances) == len(test.utterances) == 30
    for utterance in train.utterances + test.utterances:
        words = [{"0": "NO", "1": "YES"}[bit] for bit in utterance.id.split("_")]
        assert utterance.text == " ".join(words)
        assert utterance.duration == 0.25
        assert utterance.audio_filepath == str(tmp_path / "waves_yesno" / f"{utterance.id}.wav")


def supervision(name, recording, **fields):
    return SupervisionSegment(name, recording, **{"start": 0.0, "duration": 0.1, "text": "hm", **fields})


def test_supervisions_of_recordings_that_a_manifest_cannot_name(tmp_path):
    wav(tmp_path / "mono.wav")
    wav(tmp_path / "stereo.wav", channels=2)
    mono = Recording.from_file(tmp_path / "mono.wav")
    stereo = Recording.from_file(tmp_path / "stereo.wav")
    array = Recording("array", [*mono.sources, AudioSource("file", [1], str(tmp_path / "b.wav"))], 8000, 2000, 0.25)
    pipe = Recording("pipe", [AudioSource("command", [0], "cat mono.wav")], 8000, 2000, 0.25)
    faster = mono.perturb_speed(1.1)
    supervisions = [
        supervision("a-part", "mono", start=0.05, speaker="ann"),
        supervision("b-late", "mono", start=0.2),
        supervision("c-empty", "mono", text=None),
        supervision("d-left", "stereo", channel=0),
        supervision("e-right", "stereo", channel=1),
        supervision("f-array", "array"),
        supervision("g-pipe", "pipe"),
        supervision("h-faster", faster.id),
        supervision("i-lost", "lost"),
    ]
    recordings = RecordingSet.from_recordings([mono, stereo, array, pipe, faster])
    split = check("all", _found(recordings, SupervisionSet.from_segments(reversed(supervisions))), RAW)
    (part,) = split.utterances
    assert (part.id, part.offset, part.duration, part.speaker) == ("a-part", 0.05, 0.1, "ann")
    assert {item.id: item.reason for item in split.left_out} == {
        "b-late": "beyond the end of the audio",
        "c-empty": "empty transcript",
        "d-left": "one channel of several",
        "e-right": "one channel of several",
        "f-array": "recording of several files",
        "g-pipe": "recording that is not a file",
        "h-faster": "recording with transforms",
        "i-lost": "supervision without a recording",
    }


def test_both_channels_of_one_supervision_are_taken(tmp_path):
    wav(tmp_path / "stereo.wav", channels=2)
    found = _found([Recording.from_file(tmp_path / "stereo.wav")], [supervision("a", "stereo", channel=[0, 1])])
    assert [u.audio_filepath for u in found] == [str(tmp_path / "stereo.wav")]


def test_the_shapes_that_recipes_return():
    def names(result):
        return [name for name, _, _ in _splits(result)]

    both = {"recordings": "r", "supervisions": "s"}
    assert names(both) == ["all"]
    assert names(("r", "s")) == ["all"]
    assert names({"train": both, "dev": both}) == ["dev", "train"]
    assert names({"de": {"dev": both}, "en": {"dev": both, "test": {"recordings": "r"}}}) == ["de-dev", "en-dev"]
    assert names({"music": {"recordings": "r"}}) == []


def test_an_unknown_recipe_lists_its_neighbours():
    with pytest.raises(InputError, match="near it: .*librispeech"):
        find_recipe("librispech")
    assert find_recipe("Thchs-30").__name__ == "prepare_thchs_30"


def test_wrong_arguments_and_wrong_folders_are_one_line(tmp_path):
    with pytest.raises(InputError, match="found nothing"):
        prepare_lhotse("yesno", tmp_path / "nowhere", tmp_path, RAW)
    with pytest.raises(InputError, match="yesno failed: AssertionError: assert"):
        prepare_lhotse("yesno", tmp_path, tmp_path, RAW)
    with pytest.raises(InputError, match="takes no parts; it takes corpus_dir, output_dir"):
        prepare_lhotse("yesno", tmp_path, tmp_path, RAW, {"parts": "x"})
    with pytest.raises(InputError, match="--set transcript_dir="):
        prepare_lhotse("callhome-egyptian", tmp_path, tmp_path, RAW)
