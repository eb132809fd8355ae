"""`speechrnn evaluate` end to end, on tones that the fixture's model spells out: figures, details, records, the test log."""

import hashlib
import json
import os
import re
import subprocess
import sys

import nist
import numpy as np
import onnxruntime
import pytest
import soundfile
from conftest import RATE, TOKENS, tones

from speechrnn.cli import evaluate, main
from speechrnn.package import read_package, write_package
from speechrnn.scoring.results import read_rows
from speechrnn.text import Tokenizer


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def corpus(tmp_path):
    """A folder with the sound of three utterances, the second misheard, the third silent but for a cough."""
    soundfile.write(tmp_path / "u1.wav", tones("go for it"), RATE)
    soundfile.write(tmp_path / "u2.wav", np.concatenate([tones("good way now", 8000), tones("yy", 8000)]), 8000)
    soundfile.write(tmp_path / "u3.wav", tones("h"), RATE)
    soundfile.write(tmp_path / "u4.wav", np.concatenate([tones("ab"), tones("cd"), tones("ef")]), RATE)
    return tmp_path


ROWS = [
    {"id": "u1", "audio_filepath": "u1.wav", "text": "Go for it"},
    {"id": "u2", "audio_filepath": "u2.wav", "text": "Good day now", "duration": 2.4},
    {"id": "u3", "audio_filepath": "u3.wav", "text": "", "nonspeech": True},
    {"id": "u4", "audio_filepath": "u4.wav", "text": "cd", "offset": 0.4, "duration": 0.4},
]
REPORT = """\
%WER 28.57 [ 2 / 7, 1 ins, 0 del, 1 sub ]
%CER 8.70 [ 2 / 23, 1 ins, 0 del, 1 sub ]
%SER 50.00 [ 2 / 4 ]
%MER 25.00 [ 2 / 8 ]
normaliser: upper
alignment: kaldi
utterances: 4
seconds of audio: 4.80
"""


@pytest.fixture
def dev(corpus):
    return write_lines(corpus / "dev.jsonl", ROWS)


def test_figures_in_a_process_of_its_own_without_torch(dev, package_dir):
    code = (
        "import sys; from speechrnn.cli import main; status = main(sys.argv[1:]); "
        "assert 'torch' not in sys.modules; sys.exit(status)"
    )
    arguments = [sys.executable, "-c", code, "evaluate", str(package_dir), str(dev), "--threads", "1"]
    done = subprocess.run(arguments, check=False, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout) == (0, REPORT), done.stderr
    assert "RTF" in done.stderr and len(done.stderr.splitlines()) == 1  # no progress bar: this is no terminal
    assert not (dev.parent / "dev.evaluations.jsonl").exists()


def test_progress_on_a_terminal_leaves_stdout_alone(dev, package_dir):
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "speechrnn", "evaluate", str(package_dir), str(dev)]
    environment = os.environ | {"TERM": "xterm"}
    done = subprocess.run(
        arguments, check=False, stdout=subprocess.PIPE, stderr=theirs, encoding="utf-8", env=environment, timeout=60
    )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert (done.returncode, done.stdout) == (0, REPORT), shown
    assert "100%" in shown and "RTF" in shown


def test_details(dev, package_dir, tmp_path):
    details = tmp_path / "out" / "details.jsonl"
    assert main(["evaluate", str(package_dir), str(dev), "--details", str(details)]) == 0
    rows = [json.loads(line) for line in details.read_text(encoding="utf-8").splitlines()]
    assert [(row["id"], row["reference"], row["hypothesis"], row["aligned"]) for row in rows] == [
        ("u1", "Go for it", "go for it", "GO FOR IT"),
        ("u2", "Good day now", "good way now", "GOOD (DAY->WAY) NOW"),
        ("u3", "", "h", "(*->H)"),
        ("u4", "cd", "cd", "CD"),
    ]
    assert {row["normaliser"] for row in rows} == {"upper"}


def test_scoring_the_details_gives_the_same_figures(dev, package_dir, tmp_path, capsys):
    details = str(tmp_path / "details.jsonl")
    assert main(["evaluate", str(package_dir), str(dev), "--details", details]) == 0
    capsys.readouterr()
    assert main(["score", "--normaliser", "upper", str(dev), details]) == 0
    assert REPORT.startswith(capsys.readouterr().out)


def test_the_audio_in_memory_is_bounded_and_does_not_change_the_result(dev, package_dir, capsys, monkeypatch):
    held = []
    transcribe = evaluate.Recognizer.transcribe_waveforms

    def watched(self, waveforms, names, *, times):
        held.append(sum(map(len, waveforms)) / RATE)
        return transcribe(self, waveforms, names, times=times)

    monkeypatch.setattr(evaluate.Recognizer, "transcribe_waveforms", watched)
    monkeypatch.setattr(evaluate, "CHUNK_SECONDS", 2.0)
    assert main(["evaluate", str(package_dir), str(dev)]) == 0
    assert capsys.readouterr().out == REPORT
    assert held == pytest.approx([1.8, 1.8 + 2.4, 0.6])  # the first one of all is the warm-up


def test_each_evaluation_of_a_test_set_is_logged(corpus, package_dir, capsys):
    manifest = write_lines(corpus / "test.jsonl", ROWS)
    for number in (1, 2):
        assert main(["evaluate", str(package_dir), str(manifest), "--threads", "1"]) == 0
        out, err = capsys.readouterr()
        assert out == REPORT
        assert f"evaluation {number} of this test set" in err
    entries = [json.loads(line) for line in (corpus / "test.evaluations.jsonl").read_text().splitlines()]
    assert len(entries) == 2
    assert entries[0]["model"] == "tones"
    assert entries[0]["model_sha256"] == hashlib.sha256((package_dir / "model.onnx").read_bytes()).hexdigest()[:16]
    assert entries[0]["words"] == {"insertions": 1, "deletions": 0, "substitutions": 1, "reference": 7}
    assert entries[0]["command"] == f"speechrnn evaluate {package_dir} {manifest} --threads 1"


def test_a_test_log_that_cannot_be_written_is_a_warning(corpus, package_dir, capsys):
    manifest = write_lines(corpus / "test.jsonl", ROWS)
    (corpus / "test.evaluations.jsonl").mkdir()  # what no permission bits could do to root
    assert main(["evaluate", str(package_dir), str(manifest)]) == 0
    out, err = capsys.readouterr()
    assert out == REPORT and "warning: this evaluation of the test set" in err


def test_audio_that_cannot_be_read_counts_as_deleted_and_is_named(corpus, package_dir, capsys):
    (corpus / "u1.wav").write_bytes(b"not a sound")
    (corpus / "u4.wav").unlink()
    manifest = write_lines(corpus / "test.jsonl", ROWS)
    record = corpus / "results.jsonl"
    assert main(["evaluate", str(package_dir), str(manifest), "--record", str(record)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("%WER 85.71 [ 6 / 7, 1 ins, 4 del, 1 sub ]\n")
    named = [line for line in err.splitlines() if ": utterance " in line]
    assert "u1.wav" in named[0] and "utterance u1" in named[0]
    assert "u4.wav" in named[1] and "utterance u4" in named[1]
    assert "2 of 4 utterances could not be read" in err and "nothing is recorded" in err
    assert not record.exists()
    entry = json.loads((corpus / "test.evaluations.jsonl").read_text())
    assert entry["unreadable"] == 2


def test_a_recording_shorter_than_its_header_is_scored_and_named(corpus, package_dir, capsys):
    whole = (corpus / "u1.wav").read_bytes()
    (corpus / "u1.wav").write_bytes(whole[: len(whole) // 2])
    manifest = write_lines(corpus / "dev.jsonl", ROWS)
    assert main(["evaluate", str(package_dir), str(manifest)]) == 0
    out, err = capsys.readouterr()
    assert "warning: utterance u1: " in err and "UserWarning" not in err
    assert "%WER 28.57" not in out


def test_nothing_readable_gives_no_real_time_factor(corpus, package_dir, capsys):
    manifest = write_lines(corpus / "dev.jsonl", [{"id": "u9", "audio_filepath": "no.wav", "text": "a b"}])
    assert main(["evaluate", str(package_dir), str(manifest)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("%WER 100.00 [ 2 / 2, 0 ins, 2 del, 0 sub ]\n") and "RTF" not in err


def test_record(dev, package_dir, tmp_path, capsys):
    record = tmp_path / "recipes" / "results.jsonl"
    description = json.loads((package_dir / "model.json").read_text())
    for seed in (1, 2):
        description["training"] = {"seed": seed, "data": ["train.jsonl"], "parameters": 1234567, "minutes": 9.6}
        model = tmp_path / f"seed{seed}"
        write_package(model, (package_dir / "model.onnx").read_bytes(), Tokenizer(TOKENS), description, "# tones\n")
        command = ["evaluate", str(model), str(dev), "--record", str(record), "--system", "a tone"]
        assert main(command) == 0
        assert main(command) == 0  # replaces its row
    rows = read_rows(record)
    assert [row["seed"] for row in rows] == [1, 2]
    assert rows[0]["system"] == "a tone" and rows[0]["manifest"] == f"{dev.parent.name}/dev.jsonl"
    assert rows[0]["words"] == {"insertions": 1, "deletions": 0, "substitutions": 1, "reference": 7}
    assert rows[0]["seconds"] == 4.8 and rows[0]["rtf"] > 0
    assert rows[0]["onnxruntime"] == onnxruntime.__version__
    assert rows[0]["command"] == (f"speechrnn evaluate {tmp_path / 'seed1'} {dev} --record {record} --system 'a tone'")
    rendered = (tmp_path / "recipes" / "RESULTS.md").read_text(encoding="utf-8")
    assert "training data: train.jsonl; parameters: 1,234,567; decoding: greedy; normaliser: upper" in rendered
    assert "| 2 | 28.57 | - | - | [ 2 / 7, 1 ins, 0 del, 1 sub ] | 8.70 | 9.6 |" in rendered
    assert "Mean over 2 seeds (n = 2): WER 28.57 %, standard deviation 0.00; CER 8.70 %" in rendered
    assert rows[1]["command"] in rendered


def test_the_system_is_the_model_by_default(dev, package_dir, tmp_path):
    record = tmp_path / "results.jsonl"
    assert main(["evaluate", str(package_dir), str(dev), "--record", str(record)]) == 0
    (row,) = read_rows(record)
    assert row["system"] == read_package(package_dir).name == "tones" and row["seed"] is None


def test_a_bad_record_is_known_before_the_work(dev, package_dir, tmp_path, capsys):
    record = tmp_path / "results.jsonl"
    record.write_text("# Results\n")
    assert main(["evaluate", str(package_dir), str(dev), "--record", str(record)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "results.jsonl, line 1" in err and len(err.splitlines()) == 1
    assert record.read_text() == "# Results\n"


@pytest.mark.parametrize("threads", ["0", "-2", "two"])
def test_wrong_usage(dev, package_dir, threads):
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", str(package_dir), str(dev), "--threads", threads])
    assert stopped.value.code == 2


def test_bad_model_and_manifest(dev, package_dir, tmp_path, capsys):
    assert main(["evaluate", str(tmp_path / "nothing"), str(dev)]) == 1
    assert main(["evaluate", str(package_dir), str(tmp_path / "nothing.jsonl")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_latency_is_that_of_one_utterance_at_a_time(dev, package_dir, capsys):
    assert main(["evaluate", str(package_dir), str(dev), "--latency"]) == 0
    out, err = capsys.readouterr()
    assert out == REPORT
    whole, latency, rtf = (line for line in err.splitlines() if "RTF" in line or "latency" in line)
    mean, *percentiles, greatest = [float(number) for number in re.findall(r"\b\d+\.\d+", latency)]
    assert percentiles == sorted(percentiles) and 0 < percentiles[0] <= percentiles[-1] <= greatest
    assert mean <= greatest and "RTF of an utterance: mean " in rtf
    # four utterances of together 4.8 s
    total = float(re.search(r"RTF (\d+\.\d+)", whole)[1]) * 4.8
    assert total == pytest.approx(4 * mean / 1000, abs=0.002)


def test_details_hold_the_words_with_their_times(dev, package_dir, tmp_path, capsys):
    details = tmp_path / "details.jsonl"
    assert main(["evaluate", str(package_dir), str(dev), "--details", str(details)]) == 0
    rows = [json.loads(line) for line in details.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        assert " ".join(word["text"] for word in row["recognised"]) == row["hypothesis"]
        times = [time for word in row["recognised"] for time in (word["start"], word["end"])]
        assert times == sorted(times) and all(0 <= time <= row["duration"] for time in times)
    assert sum(row["duration"] for row in rows) == pytest.approx(4.8)


def test_another_normaliser_and_sclites_alignment(dev, package_dir, capsys):
    assert main(["evaluate", str(package_dir), str(dev), "--normaliser", "raw", "--alignment", "sclite"]) == 0
    out = capsys.readouterr().out
    assert "normaliser: raw\nalignment: sclite\n" in out
    assert not out.startswith(REPORT.partition("\n")[0])  # references in capitals, hypotheses in small letters


def test_exported_texts_and_times_are_those_that_sclite_counts(dev, package_dir, tmp_path, capsys):
    folder = tmp_path / "files"
    assert main(["evaluate", str(package_dir), str(dev), "--alignment", "sclite", "--export", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == {f"{a}.{b}" for a in ("ref", "hyp") for b in ("txt", "trn")} | {
        "ref.stm",
        "hyp.ctm",
    }
    line = capsys.readouterr().out.partition("\n")[0]
    assert nist.totals("-r", folder / "ref.trn", "trn", "-h", folder / "hyp.trn", "trn", "-i", "spu_id").line() == line
    assert nist.totals("-r", folder / "ref.stm", "stm", "-h", folder / "hyp.ctm", "ctm").line() == line
    assert main(["score", str(folder / "ref.txt"), str(folder / "hyp.txt"), "--alignment", "sclite"]) == 0
    assert capsys.readouterr().out.partition("\n")[0] == line
