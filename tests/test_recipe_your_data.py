"""The commands of recipes/your_data, word for word but for fewer epochs, on seconds of noise in languages of other scripts."""

import importlib.util
import json
import re
import shlex
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechrnn.cli import main
from speechrnn.manifest import Utterance, read_manifest, write_manifest
from speechrnn.text import Tokenizer

pytestmark = pytest.mark.recipe
ROOT = Path(__file__).parent.parent
RECIPE = ROOT / "recipes" / "your_data"
BLOCKS = re.findall(r"```sh\n(.*?)```", (RECIPE / "README.md").read_text(encoding="utf-8"), re.DOTALL)
COMMON_VOICE = next(number for number, block in enumerate(BLOCKS) if "prepare commonvoice" in block)
TINY = ("optimiser.epochs=1", "data.max_seconds=10", "model.layers=1", "device=cpu")


def noise(path: Path, seed: int, seconds: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, int(seconds * 16000)), 16000)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    return tmp_path


@pytest.fixture
def run(capsys):
    """Runs a line of the README; gives what it prints on stdout and on stderr."""

    def run(line: str) -> tuple[str, str]:
        program, *arguments = shlex.split(line)
        assert program == "speechrnn"
        status = main([*arguments, *(TINY if arguments[0] == "train" else ())])
        out, err = capsys.readouterr()
        assert status == 0, f"{line}\n{err}"
        return out, err

    return run


def test_recordings_in_folders_to_a_package_that_transcribes(folder, run):
    for seed, (speaker, text) in enumerate((s, t) for s in "abcdefghijkl" for t in ("„Grüße!“", "sagte ER …")):
        noise(folder / "my_recordings" / speaker / f"{seed}.wav", seed)
        (folder / "my_recordings" / speaker / f"{seed}.txt").write_text(
            unicodedata.normalize("NFD", text), encoding="utf-8"
        )
    noise(folder / "talk.wav", 99)
    (folder / "texts.txt").write_text("Grüße, sagte er.\nGrüße!\nsagte er\n" * 20, encoding="utf-8")
    four, transcribe, alphabet, everything, language_model = BLOCKS[:COMMON_VOICE]
    assert [line.split()[1] for line in four.splitlines()] == ["prepare", "train", "export", "evaluate"]
    printed = [run(line) for line in four.splitlines()]
    assert "train_all.jsonl          24" in printed[0][0]
    assert re.search(
        r"init_from \w+: [\d,]+ of [\d,]+ parameters copied; tokens: \d+ mapped .*new \(.*ß ü\)", printed[1][1]
    )
    assert "normaliser: words" in printed[3][0]
    described = json.loads((folder / "models" / "mine" / "model.json").read_text())
    assert described["normaliser"] == "words"
    dev = {u.speaker for u in read_manifest(folder / "data" / "mine" / "dev.jsonl")}
    train = {u.speaker for u in read_manifest(folder / "data" / "mine" / "train.jsonl")}
    assert len(dev) == 1 and len(train) == 11 and not dev & train
    for block in (transcribe, language_model, everything, alphabet):
        for line in block.splitlines():
            run(line)
    assert (folder / "runs" / "mine_all" / "checkpoints").is_dir()


def test_a_spreadsheet(folder, run):
    table = re.search(r"```\n(audio,text.*?)```", (RECIPE / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]
    (folder / "my_table.csv").write_text("\ufeff" + table.replace("\n", "\r\n"), encoding="utf-8")
    for number in (1, 2):
        noise(folder / "clips" / f"00{number}.wav", number)
    run("speechrnn prepare folder my_table.csv data/mine --normaliser words --dev-speakers 50%")
    both = read_manifest(folder / "data" / "mine" / "train_all.jsonl")
    assert [(u.text, u.speaker) for u in both] == [("grüße sagte er", "anna"), ("auf wiedersehen", "boris")]


def test_common_voice_in_arabic(folder, run):
    language = folder / "cv-corpus-17.0-2024-03-15" / "br"
    rows = []
    for number, text in enumerate(["السَّلَامُ عَلَيْكُمْ،", "كَيْفَ حَالُكَ؟", "«سـَـلَـام»", "حَالُكُم!"]):
        (language / "clips").mkdir(parents=True, exist_ok=True)
        sound = np.random.default_rng(number).normal(0, 0.1, 48000)
        soundfile.write(language / "clips" / f"{number}.mp3", sound, 32000, format="MP3")
        rows.append(f"{'abcd'[number]}\t{number}.mp3\t{text}\n")
    for name, part in (("train", rows[:2]), ("dev", rows[2:3]), ("test", rows[3:]), ("validated", rows)):
        (language / f"{name}.tsv").write_text("client_id\tpath\tsentence\n" + "".join(part), encoding="utf-8")
    prepare, train, export, evaluate = BLOCKS[COMMON_VOICE].splitlines()
    run(prepare)
    assert re.search(r"tokens: 2 mapped, \d+ new", run(train)[1])  # blank and boundary
    run(export)
    assert "utterances: 1" in run(evaluate)[0]
    model = folder / "models" / "mine"
    tokens = Tokenizer.read(model / "tokens.txt").tokens
    assert {"\u064e", "\u0651", "س"} <= set(tokens) and not {"،", "؟", "ـ"} & set(tokens)
    assert json.loads((model / "model.json").read_text())["language"] == "br"
    run(BLOCKS[COMMON_VOICE + 1].strip())
    assert (folder / "runs" / "validated" / "checkpoints").is_dir()


def test_the_learning_curve(folder, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("learning_curve", RECIPE / "learning_curve.py")
    curve = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(curve)
    said = [
        Utterance(f"{n}", str(folder / f"{n}.wav"), "ab" if n % 2 else "ba", duration=1.0, speaker=f"s{n % 8}")
        for n in range(16)
    ]
    parts = [set(curve.part_of(said, share)) for share in curve.SHARES]
    assert [len(part) for part in parts] == [2, 4, 8, 16]
    assert [len({u.speaker for u in part}) for part in parts] == [1, 2, 4, 8]
    assert parts[0] < parts[1] < parts[2] < parts[3]

    for number in range(16):
        noise(folder / f"{number}.wav", number)
    write_manifest("train.jsonl", said)
    write_manifest("other.jsonl", said[:4])
    monkeypatch.setattr(curve, "SHARES", (1 / 2, 1))
    curve.main(["conf/your_data.yaml", "train.jsonl", "other.jsonl", "curve", *TINY])
    heading, _, *rows = (
        [cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()
    )
    assert heading[3] == "WER and CER %, random weights" and heading[4].startswith("WER and CER %, init_from ")
    assert [row[1:3] for row in rows] == [["4", "2"], ["8", "1"]]
    assert all(re.fullmatch(r"\d+\.\d\d( \(.* to .*\))?, \d+\.\d\d", rate) for row in rows for rate in row[3:])
