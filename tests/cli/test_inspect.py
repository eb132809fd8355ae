"""`speechrnn inspect` end to end: the figures of its tables against ones computed here, its pictures, and wrong targets."""

import json
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import RATE, tones
from PIL import Image

from speechrnn.cli import main
from speechrnn.cli.inspect import MAX_SECONDS
from speechrnn.pictures import emissions
from speechrnn.scoring.report.pictures import log_mel
from speechrnn.search.greedy import greedy


def inspect(capsys, *arguments, status=0):
    """Run the command. Returns stdout, as {first cell: the rest of its line}, and stderr."""
    assert main(["inspect", *map(str, arguments)]) == status
    out, err = capsys.readouterr()
    cells = (re.split(r" {2,}", line.strip(), maxsplit=1) for line in out.splitlines() if line)
    return {cell[0]: cell[1] if len(cell) > 1 else "" for cell in cells}, err


def picture(path):
    """The description that a PNG file holds; it is checked not to be blank."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert np.asarray(image.convert("L")).var() > 100
        return image.text["Description"]


# --- manifests


TEXTS = [" ".join(["ABC DEF"] * (1 + i % 4)) for i in range(40)]  # 7, 15, 23 or 31 characters
LENGTHS = [len(text) * (0.08 + 0.001 * (i % 5)) for i, text in enumerate(TEXTS)]


def write_manifest(folder, **changes):
    """40 utterances of two speakers; `changes` are lists of (index, key, value)."""
    rows = [
        {"id": f"u{i}", "audio_filepath": f"u{i}.wav", "duration": round(d, 4), "text": t, "speaker": f"s{i % 2}"}
        for i, (t, d) in enumerate(zip(TEXTS, LENGTHS, strict=True))
    ]
    for index, key, value in changes.get("to", []):
        rows[index][key] = value
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n" for row in rows))
    return path, rows


def write_sounds(folder, rows, rate=8000):
    for number, row in enumerate(rows):
        sound = np.random.default_rng(number).normal(0, 0.1, round(LENGTHS[number] * rate))
        soundfile.write(folder / row["audio_filepath"], sound, rate)


def test_the_figures_of_a_manifest(tmp_path, capsys):
    # u5: ten times too fast; u10: ten times too slow; u20: a Cyrillic letter and a combining accent; u30: nonspeech
    odd = "A\u0430 e\u0301  B"
    path, rows = write_manifest(
        tmp_path,
        to=[
            (5, "duration", LENGTHS[5] / 10),
            (10, "duration", LENGTHS[10] * 10),
            (20, "text", odd),
            (20, "duration", 0.6),
            (30, "text", ""),
            (30, "nonspeech", True),
        ],
    )
    write_sounds(tmp_path, rows)
    (tmp_path / "u7.wav").unlink()
    cells, err = inspect(capsys, path)
    assert err == ""
    texts = [" ".join(unicodedata.normalize("NFC", row["text"]).split()) for row in rows]
    seconds = np.array([row["duration"] for row in rows])
    assert cells["utterances"] == "40, 1 of them nonspeech"
    assert cells["hours"] == f"{sum(seconds) / 3600:.3f}"
    assert cells["speakers"] == "2"
    assert cells["files missing"] == "1: u7"
    assert cells["sample rates"] == "8000 Hz in 39 of the first files"
    assert (
        cells["words"]
        == f"{sum(len(t.split()) for t in texts)}, {len({w for t in texts for w in t.split()})} different"
    )

    spoken = [(len(t), len(t.split()), s) for t, s in zip(texts, seconds, strict=True) if t]
    expected = {
        "seconds": (seconds, "{:.2f}"),
        "characters": ([c for c, _, _ in spoken], "{:.0f}"),
        "characters a second": ([c / s for c, _, s in spoken], "{:.1f}"),
        "words a second": ([w / s for _, w, s in spoken], "{:.2f}"),
    }
    for name, (values, form) in expected.items():
        assert cells[name].split() == [form.format(p) for p in np.percentile(values, (0, 5, 50, 95, 100))], name

    counts = Counter("".join(texts).replace(" ", ""))
    alphabet = next(iter(c for c in cells if c.startswith("alphabet")))
    assert alphabet == f"alphabet: {len(counts)} characters, the most frequent first"
    assert " ".join(f"{k} {v}" for k, v in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))) == (
        " ".join(f"{k} {v}" for k, v in cells.items() if len(k.split()) == 2 and len(k.split()[0]) == 1).replace(
            "  ", " "
        )
    )
    assert cells["too fast"].startswith("u5") and cells["too slow"].startswith("u10")
    assert any(cell.startswith("2 texts are suspiciously") for cell in cells)


def test_the_padding_is_what_a_plan_by_hand_has(tmp_path, capsys):
    path = tmp_path / "all.jsonl"
    rows = [
        {"id": f"{i}", "audio_filepath": "none.wav", "duration": d, "text": "A"} for i, d in enumerate([4, 4, 2, 1])
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    # at most 8 s: (4, 4) and (2, 1), which is padded to 4 s; at most 3: each alone
    assert inspect(capsys, path, "--max-seconds", 8)[0]["padding"] == f"{1 / 12:.1%} in 2 batches of at most 8 s"
    assert inspect(capsys, path, "--max-seconds", "3.5")[0]["padding"] == "0.0% in 4 batches of at most 3.5 s"


def test_the_usual_batch_is_that_of_training():
    from speechrnn.runs.config import DataConfig

    assert DataConfig().max_seconds == MAX_SECONDS


def test_durations_that_only_the_files_say(tmp_path, capsys):
    path, rows = write_manifest(tmp_path, to=[(i, "duration", None) for i in range(40)])
    write_sounds(tmp_path, rows)
    (tmp_path / "u0.wav").unlink()
    (tmp_path / "u1.wav").write_bytes(b"no sound")
    cells, _ = inspect(capsys, path)
    assert cells["hours"] == f"{sum(LENGTHS[2:]) / 3600:.3f}, without 2 of unknown duration"
    assert cells["sample rates"] == "8000 Hz in 38 of the first files"


def test_a_manifest_of_which_nothing_is_known(tmp_path, capsys):
    path = tmp_path / "all.jsonl"
    path.write_text('{"audio_filepath": "gone.wav", "text": "A"}\n')
    cells, _ = inspect(capsys, path)
    assert cells["hours"] == "0.000, without 1 of unknown duration"
    assert cells["seconds"].split() == ["-"] * 5 and cells["padding"] == "-"
    assert "no text is suspiciously long or short for its duration" in cells
    _, err = inspect(capsys, path, "-o", tmp_path / "look", status=1)
    assert "no spectrogram" in err and err.count("\n") == 1


def test_a_manifest_of_one_utterance(tmp_path, capsys):
    soundfile.write(tmp_path / "one.wav", tones("A B"), RATE)
    path = tmp_path / "one.jsonl"
    path.write_text('{"audio_filepath": "one.wav", "text": "A B", "speaker": "s"}\n')
    cells, err = inspect(capsys, path, "-o", tmp_path / "look")
    assert cells["utterances"] == cells["speakers"] == "1"
    assert cells["padding"] == "0.0% in 1 batch of at most 80 s"
    assert cells["seconds"].split() == ["0.60"] * 5 and cells["words"] == "2, 2 different"
    assert "no text is suspiciously long or short for its duration" in cells
    assert err.count("\n") == 2
    assert picture(tmp_path / "look/spectrogram.png") == "one: A B" and picture(tmp_path / "look/durations.png") == ""


def test_a_large_alphabet_shows_its_rarest_characters(tmp_path, capsys):
    letters = [chr(0x4E00 + i) for i in range(300)]
    path = tmp_path / "all.jsonl"
    texts = ["".join(letters[: i + 1]) for i in range(300)]
    rows = [{"id": f"{i}", "audio_filepath": "a.wav", "duration": 1, "text": t} for i, t in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    main(["inspect", str(path)])
    out = capsys.readouterr().out
    assert "alphabet: 300 characters" in out and f"{letters[-1]} 1\n" in out and f"{letters[150]} " not in out


def test_the_pictures_of_a_manifest(tmp_path, capsys):
    path, rows = write_manifest(tmp_path, to=[(5, "duration", LENGTHS[5] / 10), (0, "text", "$x_ $ \u4e00")])
    write_sounds(tmp_path, rows)
    _, err = inspect(capsys, path, "-o", tmp_path / "look")
    assert [Path(line.split()[-1]).name for line in err.splitlines()] == ["durations.png", "spectrogram.png"]
    assert picture(tmp_path / "look/durations.png") == ""
    middle = picture(tmp_path / "look/spectrogram.png").split(":")[0]
    shorter = sum(row["duration"] < rows[int(middle[1:])]["duration"] for row in rows)
    assert shorter <= 20 <= sum(row["duration"] <= rows[int(middle[1:])]["duration"] for row in rows)


# --- packages


def test_the_description_of_the_bundled_package(capsys):
    import onnx

    import speechrnn

    cells, err = inspect(capsys, "an4")
    folder = Path(speechrnn.__file__).parent / "pretrained/an4"
    assert err == ""
    assert cells["size"].startswith(f"{sum(f.stat().st_size for f in folder.iterdir()) / 1e6:.1f} MB")
    tokens = [line.split(" ")[0] for line in (folder / "tokens.txt").read_text().splitlines()]
    assert cells["tokens"] == f"{len(tokens)}: {' '.join(tokens)}"
    assert cells["seconds per frame"] == "0.04 (25 frames a second)"
    described = json.loads((folder / "model.json").read_text())
    assert cells["training"].startswith(f"seed {described['training']['seed']}, ")
    # the graph holds the front end's tables, too; the weights are all but a few per cent of it
    weights = sum(np.prod(w.dims) for w in onnx.load(folder / "model.onnx").graph.initializer)
    assert 0.9 * weights < int(cells["parameters"].replace(",", "")) <= weights


def test_what_the_bundled_package_hears(tmp_path, capsys):
    sound = Path(__file__).parents[2] / "examples/digits.wav"
    assert main(["transcribe", str(sound), "--model", "an4"]) == 0
    text = capsys.readouterr().out.strip()
    cells, err = inspect(capsys, "an4", "--audio", sound, "-o", tmp_path)
    assert cells["transcript"] == picture(tmp_path / "posteriors.png") == text != ""
    assert err.count("\n") == 1 and str(tmp_path / "posteriors.png") in err
    assert cells["seconds"] == f"{soundfile.info(sound).duration:.2f}"


@pytest.mark.parametrize("text", ["", "hello $ world", "long " * 50])
def test_recordings_of_the_tone_package(package_dir, tmp_path, capsys, text):
    """Nothing, what TeX would read, and more than a picture shows."""
    text = text.replace("$ ", "").strip()
    sound = tmp_path / "$x_$.wav"
    soundfile.write(sound, tones(text) if text else np.zeros(100), RATE)
    cells, _ = inspect(capsys, package_dir, "--audio", sound, "-o", tmp_path)
    assert cells["transcript"] == picture(tmp_path / "posteriors.png") == text
    assert inspect(capsys, package_dir, "--audio", sound)[1] == ""
    assert cells["frames"].startswith(f"{max(1, -(-soundfile.info(sound).frames // 640))}, ")


def test_emissions_are_those_of_the_greedy_path_at_their_peaks():
    logits = np.random.default_rng(0).normal(0, 2, (200, 5))
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    found = emissions(log_probs)
    assert [token for token, _ in found] == greedy(log_probs)
    best = log_probs.argmax(axis=1)
    for (token, frame), (_, following) in zip(found, [*found[1:], (0, 200)], strict=True):
        assert best[frame] == token and frame < following
        assert frame == 199 or best[frame + 1] != token or log_probs[frame + 1, token] <= log_probs[frame, token]
    assert emissions(np.zeros((0, 5))) == []


def test_the_spectrogram_is_librosas():
    import librosa

    waveform = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    padded = np.pad(waveform, (120, 560))
    power = librosa.stft(padded, n_fft=400, hop_length=160, window="hann", center=False)
    filters = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=80, htk=True, norm=None)
    spectrum = np.abs(np.fft.rfft(np.fft.irfft(power, 400, axis=0), 512, axis=0)) ** 2
    expected = 10 * np.log10(np.maximum(filters @ spectrum, 1e-10)).T
    found = log_mel(waveform, RATE, bins=80)
    assert found.shape == (100, 80)
    np.testing.assert_allclose(found, expected[:100], atol=1e-2)


# --- runs


CONFIG = """\
name: tones
run: run
device: cpu
precision: float32
seed: 7
data: {train: [train.jsonl], dev: train.jsonl, normaliser: upper, cache: cache}
model: {channels: 8, layers: 2, hidden: 16, dropout: 0}
optimiser: {epochs: 3, rate: 1e-3}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a real run of three epochs, on the sound of a few letters."""
    folder = tmp_path_factory.mktemp("project")
    rows = []
    for number, text in enumerate(["a b", "b a", "c", "a c"]):
        soundfile.write(folder / f"{number}.wav", tones(text), RATE)
        rows.append({"id": f"{number}", "audio_filepath": f"{number}.wav", "text": text})
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "tones.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", "tones.yaml"]) == 0
    return folder / "run"


def copy_of(run, folder):
    import shutil

    return shutil.copytree(run, folder / "copy")


def test_the_figures_of_a_run(run, tmp_path, capsys):
    from speechrnn.export.export import load_model
    from speechrnn.runs.checkpoint import find_checkpoint

    copy = copy_of(run, tmp_path)
    (copy / "bad_batches.jsonl").write_text('{"step": 2, "ids": ["1"]}\n{"step": 3, "ids": ["0"]}\n')
    (copy / "environment.jsonl").write_text('{"torch": "2.12.0"}\n{"torch": "2.14.1", "cpu": "Z80", "gpus": []}\n')
    cells, err = inspect(capsys, copy, "-o", tmp_path / "look")
    assert err.count("\n") == 1 and picture(tmp_path / "look/curves.png") == ""

    rows = [json.loads(line) for line in (copy / "log.jsonl").read_text().splitlines()]
    epochs, updates = [r for r in rows if "dev_wer" in r], [r for r in rows if "dev_wer" not in r]
    best = min(epochs, key=lambda row: (row["dev_wer"], row["dev_loss"]))
    assert cells["epochs"] == "3" and cells["updates"] == f"{len(updates)}"
    assert cells["minutes"] == f"{epochs[-1]['minutes']:.1f}"
    assert (
        cells["lowest dev error rate"] == f"{best['dev_wer']:.2f} % after epoch {best['epoch']}, update {best['step']}"
    )
    if "audio_seconds" in updates[0]:
        speed = sum(row["audio_seconds"] for row in updates) / sum(row["seconds"] for row in updates)
        assert cells["hours of audio an hour"] == f"{speed:.0f}"
    assert cells["updates skipped"] == "2: 2 3"
    assert cells["times started"] == "2" and cells["last on"] == "torch 2.14.1, cpu Z80"

    changed = {k: re.split(" {2,}", v) for k, v in cells.items() if k.startswith(("model.", "seed", "optimiser."))}
    assert changed == {
        "seed": ["1", "7"],
        "model.channels": ["32", "8"],
        "model.layers": ["3", "2"],
        "model.hidden": ["256", "16"],
        "model.dropout": ["0.3", "0.0"],
        "optimiser.epochs": ["60", "3"],
        "optimiser.rate": ["0.0015", "0.001"],
    }
    model = load_model(find_checkpoint(copy))
    count = lambda part: f"{sum(p.numel() for p in part.parameters()):,}"  # noqa: E731
    assert cells["all"] == count(model) and cells["front_end"] == count(model.front_end) == "0"
    assert cells["subsampling"] == count(model.subsampling) and cells["output"] == count(model.output)
    assert [cells["layers.0"], cells["layers.1"]] == [count(layer) for layer in model.layers]
    files = list(copy.rglob("*.pt"))
    assert files and all(cells[str(file.relative_to(copy))] == f"{file.stat().st_size / 1e6:.1f}" for file in files)


def test_a_run_that_has_only_begun(tmp_path, capsys):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "epoch": 1, "loss": 3.0}\n{"step": 2, "epo')
    cells, _ = inspect(capsys, tmp_path, "-o", tmp_path / "look")
    assert cells["updates"] == "1" and cells["epochs"] == "-" and "no checkpoint yet" in cells
    picture(tmp_path / "look/curves.png")


@pytest.mark.parametrize("names", [["lock"], ["lock", "log.jsonl"]], ids=str)
def test_a_run_of_which_nothing_is_logged_yet(tmp_path, capsys, names):
    for name in names:
        (tmp_path / name).touch()
    cells, err = inspect(capsys, tmp_path)
    assert cells["epochs"] == "-" and cells["updates"] == "0" and "no checkpoint yet" in cells and err == ""


def test_an_averaged_checkpoint_in_a_run_that_has_lost_the_others(run, tmp_path, capsys):
    copy = copy_of(run, tmp_path)
    kept = sorted((copy / "checkpoints").iterdir())
    kept[0].rename(copy / "averaged.pt")
    for path in kept[1:]:
        path.unlink()
    cells, err = inspect(capsys, copy)
    assert err == "" and "averaged.pt" in cells and "all" in cells


def test_a_damaged_checkpoint_hides_nothing_else(run, tmp_path, capsys):
    copy = copy_of(run, tmp_path)
    for file in copy.rglob("*.pt"):
        file.write_bytes(file.read_bytes()[:1000])
    cells, err = inspect(capsys, copy, status=1)
    assert cells["epochs"] == "3"
    assert err.count("\n") == 1 and ".pt: not a checkpoint, or damaged" in err


@pytest.mark.parametrize(
    ("file", "contents"),
    [("log.jsonl", "{\n{}\n"), ("bad_batches.jsonl", "[1\n"), ("environment.jsonl", "1\n"), ("log.jsonl", b"\xff\n")],
)
def test_a_damaged_log_is_named(run, tmp_path, capsys, file, contents):
    copy = copy_of(run, tmp_path)
    (copy / file).write_bytes(contents.encode() if isinstance(contents, str) else contents)
    _, err = inspect(capsys, copy, status=1)
    assert err.count("\n") == 1 and f"{copy / file}, line 1: expected a JSON object" in err


# --- what is none of them


def test_wrong_targets_are_told_what_there_could_be(tmp_path, capsys):
    sound = tmp_path / "talk.wav"
    sound.write_bytes(b"RIFF")
    (tmp_path / "empty").mkdir()
    for target, found in (
        (sound, "a file of another kind"),
        (tmp_path, "none of that"),
        (tmp_path / "empty", "an empty folder"),
        (tmp_path / "nowhere", "nothing of that name"),
        ("", "none of that"),
    ):
        _, err = inspect(capsys, target, status=1)
        assert err.count("\n") == 1 and err.endswith(f", found {found}\n")
        for kind in ("manifest (.jsonl)", "run's folder", "model package's directory", "by name: an4"):
            assert kind in err


def test_damaged_manifests_and_packages(package_dir, tmp_path, capsys):
    import shutil

    manifest = tmp_path / "train.jsonl"
    manifest.write_text('{"audio_filepath": "a.wav", "text": "A"}\n{"audio_filep\n')
    assert "train.jsonl, line 2: expected a JSON object" in inspect(capsys, manifest, status=1)[1]
    package = shutil.copytree(package_dir, tmp_path / "package")
    (package / "model.onnx").write_bytes(b"cut")
    assert "ONNX Runtime cannot load it" in inspect(capsys, package, status=1)[1]
    (package / "model.json").unlink()
    assert "found no model.json" in inspect(capsys, package, status=1)[1]


def test_options_that_do_not_go_with_the_target(package_dir, tmp_path, capsys):
    manifest, _ = write_manifest(tmp_path)
    assert "--audio" in inspect(capsys, manifest, "--audio", "talk.wav", status=1)[1]
    assert "--max-seconds" in inspect(capsys, package_dir, "--max-seconds", 5, status=1)[1]
    assert "give --audio FILE" in inspect(capsys, package_dir, "-o", tmp_path / "look", status=1)[1]
    assert "found a file" in inspect(capsys, manifest, "-o", manifest, status=1)[1]
    for wrong in ("0", "-1", "nan", "inf", "long"):
        with pytest.raises(SystemExit) as stopped:
            main(["inspect", str(manifest), f"--max-seconds={wrong}"])
        assert stopped.value.code == 2


def test_tables_without_matplotlib_and_torch_and_one_line_for_pictures(package_dir, tmp_path):
    """In processes that lack them: a manifest and a package need neither, their pictures no torch."""
    manifest, rows = write_manifest(tmp_path)
    write_sounds(tmp_path, rows)
    sound = tmp_path / "u1.wav"
    program = (
        "import sys\n"
        "for name in sys.argv[1].split(','): sys.modules[name] = None\n"
        "from speechrnn.cli import main\n"
        "for line in sys.argv[2:]:\n"
        "    if main(['inspect', *line.split('|')]): sys.exit(1)\n"
    )

    def without(modules, *lines):
        arguments = ["|".join(map(str, line)) for line in lines]
        command = [sys.executable, "-c", program, modules, *arguments]
        return subprocess.run(command, check=False, capture_output=True, encoding="utf-8")

    done = without("torch,matplotlib,librosa", [manifest], [package_dir], [package_dir, "--audio", sound])
    assert (done.returncode, done.stderr) == (0, "")
    done = without("torch,librosa", [manifest, "-o", tmp_path], [package_dir, "--audio", sound, "-o", tmp_path])
    assert done.returncode == 0 and done.stderr.count("wrote") == 3
    done = without("matplotlib", [manifest, "-o", tmp_path])
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert "pip install '.[train]'" in done.stderr
