"""`speechrnn report` end to end: from an evaluation's details to a page, with and without sound and model."""

import json
import re
import subprocess
import sys

import pytest
import soundfile
from conftest import RATE, tones

from speechrnn.cli import COMMANDS, main

TEXTS = {"u1": ("go for it", "go for it"), "u2": ("good day now", "good way now"), "u3": ("ab cd ef", "ab d f")}


@pytest.fixture
def corpus(tmp_path, package_dir):
    """A folder with a manifest, its sound, and the details of an evaluation, as the current directory."""
    rows = []
    for id, (said, heard) in TEXTS.items():
        soundfile.write(tmp_path / f"{id}.wav", tones(heard), RATE)
        rows.append(
            {"id": id, "audio_filepath": f"{id}.wav", "text": said, "speaker": id[1], "duration": 0.2 * len(heard)}
        )
    write_lines(tmp_path / "dev.jsonl", rows)
    assert (
        main(["evaluate", str(package_dir), str(tmp_path / "dev.jsonl"), "--details", str(tmp_path / "details.jsonl")])
        == 0
    )
    return tmp_path


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def report(corpus, capsys, monkeypatch):
    """Runs the command in the corpus; gives the exit status, the page (None without one) and what it said."""
    monkeypatch.chdir(corpus)
    capsys.readouterr()

    def run(*arguments):
        (corpus / "page.html").unlink(missing_ok=True)
        status = main(["report", "details.jsonl", "-o", "page.html", *map(str, arguments)])
        page = corpus / "page.html"
        return status, page.read_text("utf-8") if page.exists() else None, capsys.readouterr().err

    return run


def test_the_command_is_listed():
    assert "report" in COMMANDS


def test_a_page_of_texts_alone(report):
    status, page, said = report()
    assert status == 0 and re.fullmatch(r"speechrnn report: wrote page.html, 0.\d MB\n", said)
    assert "%WER 33.33 [ 3 / 9, 0 ins, 0 del, 3 sub ]" in page and "<title>details</title>" in page
    assert page.count("<details class=exhibit") == 2 and "<audio" not in page and "Calibration of 9" in page


def test_a_page_with_sound_and_what_the_model_hears(report, package_dir):
    status, page, said = report("--manifest", "dev.jsonl", "--model", package_dir, "--title", "Tones & more")
    assert status == 0 and "MB" in said and "<title>Tones &amp; more</title>" in page
    assert page.count("<audio") == page.count('class="peaks"') == 2
    assert page.count("data-name=said") == page.count("data-name=heard") == 2
    assert "--title &#x27;Tones &amp; more&#x27;" in page  # the command, to make it again


def test_a_page_with_sound_alone_has_the_times_of_the_details(report, corpus):
    page = report("--manifest", "dev.jsonl")[1]
    assert page.count("<audio") == page.count("data-name=heard") == 2
    assert "data-name=said" not in page and 'class="peaks"' not in page
    rows = lines(corpus / "details.jsonl")
    write_lines(corpus / "details.jsonl", [{k: v for k, v in row.items() if k != "recognised"} for row in rows])
    page = report("--manifest", "dev.jsonl")[1]
    assert "data-name=heard" not in page and "The details hold no confidences" in page


def test_the_model_times_words_that_the_details_do_not(report, corpus, package_dir):
    """The same words at the same times, for the texts are aligned and not recognised again."""
    timed = r"data-name=heard>(.*?)</div>"
    before = re.findall(timed, report("--manifest", "dev.jsonl", "--model", package_dir)[1])
    rows = lines(corpus / "details.jsonl")
    write_lines(corpus / "details.jsonl", [{k: v for k, v in row.items() if k != "recognised"} for row in rows])
    after = re.findall(timed, report("--manifest", "dev.jsonl", "--model", package_dir)[1])
    assert len(before) == 2 and before == after


def test_the_worst_alone_and_speakers_from_the_manifest(report, corpus):
    rows = [
        {k: v for k, v in row.items() if k not in ("speaker", "duration")} for row in lines(corpus / "details.jsonl")
    ]
    write_lines(corpus / "details.jsonl", rows)
    page = report("--worst", 1, "--manifest", "dev.jsonl")[1]
    assert page.count("<audio") == 1 and 'id="worst-u3"' in page and "speaker 3 · 1.2 s" in page


def test_a_recording_that_cannot_be_read_is_named_and_shown_without_sound(report, corpus):
    (corpus / "u2.wav").write_bytes(b"no sound")
    write_lines(corpus / "dev.jsonl", [row for row in lines(corpus / "dev.jsonl") if row["id"] != "u3"])
    status, page, said = report("--manifest", "dev.jsonl")
    assert status == 1 and page.count("<details class=exhibit") == 2 and "<audio" not in page
    assert "utterance u2: u2.wav: expected audio" in said
    assert "utterance u3: dev.jsonl: expected the utterance, found no line with its id" in said


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--model", "an4"], "--model: expected --manifest beside it"),
        (["--manifest", "other.jsonl"], "other.jsonl: expected the utterances of details.jsonl (such as 'u1')"),
        (["--manifest", "nowhere.jsonl"], "nowhere.jsonl: expected a manifest, found no such file"),
        (["-o", "."], ".: expected the name of a file for the page, found a directory"),
    ],
)
def test_wrong_arguments_are_said_in_a_line(report, corpus, arguments, message):
    write_lines(corpus / "other.jsonl", [{"id": "x", "audio_filepath": "u1.wav", "text": "go"}])
    status, page, said = report(*arguments)
    assert status == 1 and page is None
    assert said.startswith(f"speechrnn report: {message}") and said.count("\n") == 1


def test_a_file_that_holds_no_details_is_refused(report, corpus):
    (corpus / "details.jsonl").write_text("u1 go for it\n")
    status, page, said = report()
    assert status == 1 and page is None and said.startswith("speechrnn report: details.jsonl, line 1: expected")


def test_it_needs_no_training_library(corpus, package_dir):
    """In a process of its own, with the model; matplotlib would take longer to import than the page to write."""
    arguments = ["report", "details.jsonl", "-o", "p.html", "--manifest", "dev.jsonl", "--model", str(package_dir)]
    program = (
        f"import sys\nfrom speechrnn.cli import main\nstatus = main({arguments!r})\n"
        "print(status, *sorted({'torch', 'matplotlib', 'librosa', 'PIL', 'onnx', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=corpus, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0"]
