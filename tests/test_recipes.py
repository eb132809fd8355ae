"""Every recipe runs, from a tiny corpus to its RESULTS.md."""

import csv
import io
import lzma
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechrnn.data.corpora.dev_speakers import read_speakers

pytestmark = pytest.mark.recipe
ROOT = Path(__file__).parent.parent
TINY = ["optimiser.epochs=1", "model.hidden=8", "model.layers=1"]


def tiny_an4(folder: Path) -> None:
    """AN4's layout with one utterance a speaker: noise, which nothing can be learnt from."""
    (folder / "etc").mkdir(parents=True)
    dev = sorted(read_speakers(ROOT / "recipes" / "an4" / "dev_speakers.txt"))
    random = np.random.default_rng(0)
    for split, speakers in (("train", [*dev, "mabc", "fabc"]), ("test", ["mxyz", "fxyz"])):
        ids, lines = [], []
        for number, speaker in enumerate(speakers):
            ids.append(f"an4_{split}/{speaker}/an{number}-{speaker}-b")
            lines.append(f"<s> ENTER A B {'ONE' if number % 2 else 'TWO'} </s> (an{number}-{speaker}-b)")
            path = folder / "wav" / f"{ids[-1]}.wav"
            path.parent.mkdir(parents=True)
            soundfile.write(path, random.normal(0, 0.1, 16000 + 800 * number), 16000)
        (folder / "etc" / f"an4_{split}.fileids").write_text("".join(f"{id}\n" for id in ids))
        (folder / "etc" / f"an4_{split}.transcription").write_text("".join(f"{line}\n" for line in lines))


def run(script: Path, **settings: str) -> subprocess.CompletedProcess:
    """Run a recipe's script with a tiny network."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, **settings}
    return subprocess.run([script, *TINY], env=env, capture_output=True, text=True, check=False)


def test_an4(tmp_path):
    for name in ("conf", "recipes"):
        shutil.copytree(ROOT / name, tmp_path / name)
    tiny_an4(tmp_path / "data" / "corpora" / "an4")
    results = tmp_path / "recipes" / "an4"
    (results / "results.jsonl").unlink(missing_ok=True)
    done = run(results / "run.sh", SEEDS="1 2")
    assert done.returncode == 0, done.stderr
    table = (results / "RESULTS.md").read_text()
    assert "Mean over 2 seeds" in table and "/ 8," in table  # 2 test utterances of 4 words
    assert "3-grams of its texts" in table
    assert len((tmp_path / "data" / "an4" / "test.evaluations.jsonl").read_text().splitlines()) == 4
    assert (tmp_path / "runs" / "an4" / "seed2" / "package" / "model.onnx").exists()


TINY_WORDS = {
    "go": "G OW1",
    "do": "D UW1",
    "see": "S IY1",
    "you": "Y UW1",
    "low": "L OW1",
    "low(2)": "L OW0",
    "her": "HH ER1",
    "a": "AH0",
    "a.": "EY1",
    "b": "B IY1",
    "enter": "EH1 N T ER0",
    "one": "W AH1 N",
    "two": "T UW1",
}


def tiny_librispeech(folder: Path) -> None:
    """LibriSpeech's layout with two utterances a speaker: noise, which nothing can be learnt from."""
    dev = sorted(read_speakers(ROOT / "recipes" / "mini_librispeech" / "dev_speakers.txt"))
    random = np.random.default_rng(0)
    subsets = {"train-clean-5": [*dev, "19", "26"], "dev-clean": ["84", "251"], "train-clean-100": ["27"]}
    for subset, speakers in subsets.items():
        for speaker in speakers:
            chapter = folder / subset / speaker / "1"
            chapter.mkdir(parents=True)
            lines = []
            for number, text in enumerate(["GO DO YOU SEE", "DO GO LOWER"]):
                lines.append(f"{speaker}-1-{number:04} {text}\n")
                soundfile.write(chapter / f"{speaker}-1-{number:04}.flac", random.normal(0, 0.1, 16000), 16000)
            (chapter / f"{speaker}-1.trans.txt").write_text("".join(lines))


def tiny_speechocean(folder: Path, test_speakers: Path) -> None:
    """speechocean762's layout: a Kaldi data directory, and recordings of noise."""
    tables = {"wav.scp": "", "text": "", "utt2spk": ""}
    for speaker in [*sorted(read_speakers(test_speakers)), "0001"]:
        sound = f"WAVE/SPEAKER{speaker}/{speaker}0001.WAV"
        (folder / sound).parent.mkdir(parents=True)
        soundfile.write(folder / sound, np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
        for name, value in zip(tables, (sound, "YOU GO LOW", speaker), strict=True):
            tables[name] += f"{speaker}0001\t{value}\n"
    (folder / "train").mkdir()
    for name, text in tables.items():
        (folder / "train" / name).write_text(text)


def tiny_repositories(folder: Path, utterances: Path) -> None:
    """The git repositories of the sets of sources.tsv, each with one recording of noise, and lists of utterances that name it."""
    with open(utterances.parent / "sources.tsv", encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        repository = folder / row["repository"].replace("/", "+")
        subprocess.run(["git", "init", "--quiet", "--bare", repository], check=True)
        sound = io.BytesIO()
        soundfile.write(sound, np.random.default_rng(0).normal(0, 0.1, 22050), 22050, format="WAV")
        command = ["git", "-C", repository, "hash-object", "-w", "--stdin"]
        blob = subprocess.run(command, input=sound.getvalue(), capture_output=True, check=True).stdout.decode().strip()
        (utterances / f"{row['set']}.tsv").write_text(f"{row['set']}/1\tanna\t1.0\tYou go low.\t{blob}\n")


@pytest.fixture(scope="module")
def mini_librispeech(tmp_path_factory):
    """Where the recipe mini_librispeech has run, and what came of it."""
    folder = tmp_path_factory.mktemp("recipes")
    for name in ("conf", "recipes"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    tiny_librispeech(folder / "data" / "corpora" / "LibriSpeech")
    lm = folder / "data" / "lm"
    lm.mkdir()
    with lzma.open(lm / "books.txt.xz", "wt") as books:
        books.write("GO DO YOU SEE\nDO GO LOWER\nYOU SEE\n" * 5)
    with lzma.open(lm / "cmudict.dict.xz", "wt") as dictionary:
        dictionary.write("".join(f"{word} {phones}\n" for word, phones in TINY_WORDS.items()))
    (folder / "recipes" / "mini_librispeech" / "results.jsonl").unlink(missing_ok=True)
    return folder, run(folder / "recipes" / "mini_librispeech" / "run.sh")


def test_mini_librispeech(mini_librispeech):
    folder, done = mini_librispeech
    assert done.returncode == 0, done.stderr
    assert "1 guessed: LOWER" in done.stderr  # the lexicon has the words of speech and language model
    table = (folder / "recipes" / "mini_librispeech" / "RESULTS.md").read_text()
    assert "3-grams of books" in table and "no language model" in table and "/ 14," in table
    package = folder / "runs" / "mini_librispeech" / "seed1" / "package"
    assert "LOWER L OW" in (package / "lexicon.txt").read_text() and (package / "lm").exists()
    done = run(folder / "recipes" / "mini_librispeech" / "run.sh", BOOKS="no/books.txt")
    assert done.returncode == 1 and "no/books.txt: found no such file" in done.stderr


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
def test_english(mini_librispeech):
    folder, done = mini_librispeech
    assert done.returncode == 0, done.stderr
    corpora, recipe = folder / "data" / "corpora", folder / "recipes" / "english"
    tiny_an4(corpora / "an4")
    tiny_speechocean(corpora / "speechocean762", recipe / "test_learners.txt")
    tiny_repositories(corpora / "more" / "repositories", recipe / "utterances")
    words = folder / "data" / "english" / "words"  # the bundled model would find none in these recordings
    words.mkdir(parents=True)
    recording = next((corpora / "an4").rglob("*.wav"))
    (words / "all.jsonl").write_text(f'{{"id": "word", "audio_filepath": "{recording}", "text": "GO"}}\n')
    with lzma.open(folder / "data" / "english" / "modern.txt.xz", "wt") as modern:  # that of the recipe is fetched
        modern.write("YOU GO LOW\nSEE HER\n" * 5)
    with lzma.open(folder / "data" / "lm" / "words-214k.txt.xz", "wt") as listed:
        listed.write("GO 7\nLOW 5\nSEE 4\n")
    more = [
        "cab K AE B",
        "fiji F IY JH IY",
        "hum HH AH M",
        "nap N AE P",
        "quit K W IH T",
        "rave R EY V",
        "vex V EH K S",
        "zip Z IH P",
    ]
    with lzma.open(
        folder / "data" / "lm" / "cmudict.dict.xz", "at"
    ) as dictionary:  # all letters, for the words of word_list.py
        dictionary.writelines(f"{line}\n" for line in more)
    (recipe / "results.jsonl").unlink(missing_ok=True)
    script = (recipe / "run.sh").read_text()
    (recipe / "run.sh").write_text(
        script.replace("synthetic 420", "synthetic 3").replace("nonspeech 120", "nonspeech 6")
    )
    done = run(recipe / "run.sh")
    assert done.returncode == 0, done.stderr
    table = (recipe / "RESULTS.md").read_text()
    assert all(f"## {test}" in table for test in ("test/dev-clean.jsonl", "learners/dev.jsonl", "an4/test.jsonl"))
    assert soundfile.info(corpora / "more" / "korliu-validated" / "korliu-validated_1.flac").samplerate == 16000
    assert '"text": "ENTER A. B' in (folder / "data" / "english" / "an4" / "spelled.jsonl").read_text()
    lexicon = (folder / "runs" / "english" / "model" / "package" / "lexicon.txt").read_text()
    assert "A. EY" in lexicon and "LOW L OW" in lexicon


def test_speech_that_is_not_in_its_repository_is_named(tmp_path):
    recipe = tmp_path / "english"
    shutil.copytree(ROOT / "recipes" / "english", recipe, ignore=shutil.ignore_patterns("__pycache__"))
    tiny_repositories(tmp_path / "more" / "repositories", recipe / "utterances")
    lines = recipe / "utterances" / "korliu-validated.tsv"
    lines.write_text(lines.read_text() + f"lost\tanna\t1.0\tGo.\t{'0' * 40}\n")
    command = [sys.executable, recipe / "more_speech.py", "korliu-validated", tmp_path / "more"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "lost: left out: blob 000" in done.stderr
    table = (tmp_path / "more" / "korliu-validated" / "text.tsv").read_text()
    assert table == "audio\ttext\tspeaker\nkorliu-validated_1.flac\tYou go low.\tanna\n"
    done = subprocess.run([*command[:2], "other", tmp_path / "more"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "other: expected one of librilight-gautam" in done.stderr


def test_words_are_cut_half_way_to_their_neighbours_and_in_pauses(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "recipes" / "english")
    from single_words import RATE, cut

    from speechrnn.transcript import Word

    sound = np.ones(3 * RATE, np.float32)
    words = [Word("a", 0.5, 0.9, 0.9), Word("short", 0.95, 1.0, 0.9), Word("b", 1.1, 1.5, 0.7)]
    parts = [(text, confidence, len(part) / RATE) for text, confidence, part in cut(sound, words)]
    assert parts == [("a", 0.9, pytest.approx(0.575, abs=1e-3)), ("b", 0.7, pytest.approx(0.6, abs=1e-3))]
    assert all(part[0] == part[-1] == 0 for _, _, part in cut(sound, words))


def test_sentences_are_written_as_they_are_said(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "recipes" / "english")
    from written_out import sentences, spell

    said = [
        spell(each, {"the", "nasa"})
        for each in sentences("Dr. Smith paid $5.50 on 3 May 1999. NASA's DVR is 3 km off.")
    ]
    assert said == [
        "DOCTOR SMITH PAID FIVE DOLLARS AND FIFTY CENTS ON THE THIRD OF MAY NINETEEN NINETY NINE",
        "NASA'S D V R IS THREE KILOMETERS OFF",
    ]
    assert spell("größer 5", set()) == "" and spell("A café.", set()) == "A CAFE"
