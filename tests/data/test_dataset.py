"""Datasets: what is left out, by name and with the reason, and what a batch holds."""

import numpy as np
import pytest
import soundfile

from speechrnn.data.audio_cache import AudioCache
from speechrnn.data.dataset import Dataset
from speechrnn.manifest import Utterance
from speechrnn.nn.ctc import frames_needed
from speechrnn.text import Tokenizer, normaliser

RATE = 16000
TEXTS = {"ok": "ab c", "accent": "ab é", "digits": "7 a 7", "short": "abcabcabcabc", "repeats": "aaaaa", "also ok": "c"}
SAMPLES = {"ok": 4000, "accent": 4000, "digits": 4000, "short": 6400, "repeats": 5120, "also ok": 2500}


@pytest.fixture
def dataset(tmp_path):
    utterances = [Utterance("unreadable", str(tmp_path / "no.wav"), "a")]
    for number, (id, text) in enumerate(TEXTS.items()):
        soundfile.write(tmp_path / f"{number}.wav", np.full(SAMPLES[id], (number + 1) / 16), RATE)
        utterances.append(Utterance(id, str(tmp_path / f"{number}.wav"), text))

    def fits(samples, labels):
        return samples // 640 >= frames_needed(labels)

    cache = AudioCache(utterances, RATE, tmp_path / "cache")
    return Dataset(utterances, cache, Tokenizer.from_texts(["ABC"]), normaliser("upper"), fits)


def test_what_cannot_be_used_is_left_out_by_name_with_the_reason(dataset, tmp_path, capsys):
    assert [u.id for u in dataset.utterances] == ["ok", "also ok"] and len(dataset) == 2
    assert list(dataset.left_out) == ["unreadable", "accent", "digits", "short", "repeats"]
    assert "no.wav" in dataset.left_out["unreadable"]
    assert dataset.left_out["accent"] == "'AB É': characters outside the alphabet: 'É'"
    assert dataset.left_out["digits"] == "'7 A 7': characters outside the alphabet: '7'"
    assert dataset.left_out["short"].startswith(
        "12 labels do not fit in 6400 samples at the fastest speed"
    )  # 10 frames
    assert dataset.left_out["repeats"].startswith(
        "5 labels do not fit in 5120 samples at the fastest speed"
    )  # 8 frames, 9 with the blanks between
    dataset.report("train", tmp_path)
    out, err = capsys.readouterr()
    table = tmp_path / "train_left_out.tsv"
    assert out == "" and err.startswith(f"train: 5 utterances left out (all in {table}):\n  unreadable: ")
    assert len(err.splitlines()) == 6
    assert [line.split("\t")[0] for line in table.read_text().splitlines()] == list(dataset.left_out)


def test_a_batch_holds_padded_audio_and_labels(dataset):
    batch = dataset.batch([1, 0])
    assert batch.ids == ["also ok", "ok"]
    assert batch.waveform.shape == (2, 4000) and batch.lengths.tolist() == [2500, 4000]
    assert (batch.waveform[0, :2500] == 6 / 16).all() and not batch.waveform[0, 2500:].any()
    assert (batch.waveform[1] == 1 / 16).all()
    assert batch.labels.tolist() == [4, 2, 3, 1, 4] and batch.label_lengths.tolist() == [1, 4]  # C, then A B | C
    assert dataset.texts == ["AB C", "C"]
    assert dataset.seconds(RATE).tolist() == [0.25, 2500 / RATE]
