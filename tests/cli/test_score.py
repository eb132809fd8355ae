"""`speechrnn score` end to end: the forms of REF and HYP, what is missing or too much, and bad input."""

import json
import subprocess
import sys
from pathlib import Path

import nist
import pytest

from speechrnn.cli import main
from speechrnn.scoring.errors import ErrorCounts


def lines(path, *rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def manifest(tmp_path):
    return lines(
        tmp_path / "test.jsonl",
        {"id": "u1", "audio_filepath": "u1.wav", "text": "go for it"},
        {"id": "u2", "audio_filepath": "u2.wav", "text": "énough"},
        {"id": "u3", "audio_filepath": "u3.wav", "text": "", "nonspeech": True},
    )


REPORT = """\
%WER 50.00 [ 2 / 4, 1 ins, 0 del, 1 sub ]
%CER 33.33 [ 5 / 15, 3 ins, 0 del, 2 sub ]
%SER 66.67 [ 2 / 3 ]
%MER 40.00 [ 2 / 5 ]
normaliser: raw
alignment: kaldi
"""


def test_manifest_against_kaldi_text_in_a_process_of_its_own(manifest, tmp_path):
    hypotheses = tmp_path / "hyp.txt"
    hypotheses.write_bytes("\ufeffu1 go\tfor at\r\nu2 énough\r\nu3 hmm\r\n".encode())  # as Windows writes it
    done = subprocess.run(
        [sys.executable, "-m", "speechrnn", "score", manifest, str(hypotheses)],
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == REPORT.replace("5 / 15, 3 ins, 0 del, 2 sub", "4 / 15, 3 ins, 0 del, 1 sub").replace(
        "33.33", "26.67"
    )


def test_json_lines_and_details_read_again(manifest, tmp_path, capsys):
    hypotheses = lines(
        tmp_path / "hyp.jsonl",
        {"id": "u3", "text": "hmm"},
        {"id": "u2", "text": "énough"},
        {"id": "u1", "text": "go for us"},
    )
    details = str(tmp_path / "details.jsonl")
    assert main(["score", manifest, hypotheses, "--details", details]) == 0
    assert capsys.readouterr() == (REPORT, "")
    assert [json.loads(line)["aligned"] for line in Path(details).read_text(encoding="utf-8").splitlines()] == [
        "go for (it->us)",
        "énough",
        "(*->hmm)",
    ]
    assert main(["score", details, details]) == 0  # its references against its hypotheses
    assert capsys.readouterr() == (REPORT, "")


def test_missing_and_extra_hypotheses_are_named(manifest, tmp_path, capsys):
    hypotheses = tmp_path / "hyp.txt"
    hypotheses.write_text("u1 go for it\nu3\nu8 more\nu9 and more\n")
    assert main(["score", manifest, str(hypotheses)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("%WER 25.00 [ 1 / 4, 0 ins, 1 del, 0 sub ]\n")
    missing, extra = err.splitlines()
    assert "1 of 3 utterances have no hypothesis" in missing and missing.endswith(": u2")
    assert "2 of 4 hypotheses have no reference" in extra and extra.endswith(": u8 u9")


def test_ids_from_file_names_are_those_of_the_manifest(tmp_path, capsys):
    manifest = lines(tmp_path / "nemo.jsonl", {"audio_filepath": "clips/one.wav", "text": "a b"})
    hypotheses = tmp_path / "hyp.txt"
    hypotheses.write_text("one a b\n")
    assert main(["score", manifest, str(hypotheses)]) == 0
    assert capsys.readouterr().out.startswith("%WER 0.00 [ 0 / 2,")


def test_no_reference_words(tmp_path, capsys):
    text = tmp_path / "text"
    text.write_text("u1\n")
    assert main(["score", str(text), str(text)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("%WER n/a [ 0 / 0, 0 ins, 0 del, 0 sub ]\n%CER n/a [")
    assert "nan" not in out


def test_the_normaliser_is_applied_and_named(tmp_path, capsys):
    reference, hypothesis = tmp_path / "ref", tmp_path / "hyp"
    reference.write_text("u1 Go\n")
    hypothesis.write_text("u1 gO\n")
    assert main(["score", "--normaliser", "upper", str(reference), str(hypothesis)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("%WER 0.00") and "\nnormaliser: upper\n" in out


@pytest.mark.parametrize(
    "contents, expected",
    [
        ("u1 a\nu1 b\n", "line 2: the id 'u1' stands on more than one line"),
        ('{"id": "u1", "text": "a"}\n{"id": "u1", "text": "b"}\n', "line 2: the id 'u1' stands on more than one line"),
        ('{"id": "u1", "text": "a"}\nu2 b\n', "line 2: expected a JSON object"),
        ('{"text": "a"}\n', "line 1: expected an 'id'"),
        ('{"id": "u1"}\n', "line 1: expected 'text'"),
        ('{"id": "u1", "text": 3}\n', "line 1: expected a text, found 3"),
        ("\n", "found no utterance"),
        ("other a\n", "found none of them (but such as 'other')"),
        (b"u1 \xff\n", "expected"),
        (None, "expected"),
    ],
)
def test_bad_hypotheses(tmp_path, capsys, contents, expected):
    reference, hypothesis = tmp_path / "ref", tmp_path / "hyp"
    reference.write_text("u1 a\n")
    if contents is not None:
        hypothesis.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    assert main(["score", str(reference), str(hypothesis)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert str(hypothesis) in err and expected in err


def test_forms_that_the_names_do_not_tell(tmp_path, capsys):
    reference, hypothesis = tmp_path / "spoken", tmp_path / "heard.txt"
    reference.write_text("talk A ann 0 2 <o> a b\n")
    hypothesis.write_text("talk A 0.1 0.2 a\ntalk A 0.5 0.2 c\n")
    forms = ["--reference-form", "stm", "--hypothesis-form", "ctm"]
    assert main(["score", str(reference), str(hypothesis), *forms]) == 0
    assert "%WER 50.00 [ 1 / 2, 0 ins, 0 del, 1 sub ]" in capsys.readouterr().out


def test_outputs_that_are_no_places_to_write_to(tmp_path, capsys):
    reference = tmp_path / "ref"
    reference.write_text("u1 a\n")
    for arguments, expected in (
        (["--details", str(tmp_path)], "expected the name of a file for the details, found a directory"),
        (["--export", str(reference)], "expected a folder for ref.trn, hyp.trn and the others, found a file"),
    ):
        assert main(["score", str(reference), str(reference), *arguments]) == 1
        out, err = capsys.readouterr()
        assert out == "" and err == f"speechrnn score: {arguments[1]}: {expected}\n"


def test_the_figures_are_shown_though_trn_cannot_hold_an_id(tmp_path, capsys):
    texts = lines(tmp_path / "texts.jsonl", {"id": "a b", "text": "x"})
    assert main(["score", texts, texts, "--export", str(tmp_path / "trn")]) == 1
    out, err = capsys.readouterr()
    assert "%WER 0.00 [ 0 / 1" in out and "'a b': expected an id without white space" in err


def test_a_normaliser_that_is_no_name(tmp_path, capsys):
    texts = lines(tmp_path / "texts.jsonl", {"id": "u1", "text": "x", "normaliser": 5})
    assert main(["score", texts, texts]) == 1
    assert capsys.readouterr().err == f"speechrnn score: {texts}, line 1: expected the name of 'normaliser', found 5\n"


def test_a_null_reference_is_an_error_but_beside_a_hypothesis(tmp_path, capsys):
    details = lines(tmp_path / "d.jsonl", {"id": "u1", "reference": None, "text": "a"})
    assert main(["score", details, details]) == 1
    assert "line 1: expected a text, found None" in capsys.readouterr().err
    details = lines(tmp_path / "e.jsonl", {"id": "u1", "reference": None, "hypothesis": "a"})
    assert main(["score", details, details]) == 1
    assert "e.jsonl: expected references, found none" in capsys.readouterr().err


def test_extra_hypotheses_stay_known_in_the_details(manifest, tmp_path, capsys):
    hypotheses, details = tmp_path / "hyp.txt", str(tmp_path / "details.jsonl")
    hypotheses.write_text("u1 go for it\nu2 x\nu3\nu9 and more\n")
    assert main(["score", manifest, str(hypotheses), "--alignment", "sclite", "--details", details]) == 0
    first = capsys.readouterr()
    assert main(["score", details, details]) == 0  # with the same alignment, which it names
    again = capsys.readouterr()
    assert first.out == again.out and "alignment: sclite" in again.out
    assert "1 of 4 hypotheses have no reference" in again.err and again.err.rstrip().endswith(": u9")


def test_what_is_read_is_not_written_over(manifest, tmp_path, capsys):
    before = Path(manifest).read_bytes()
    assert main(["score", manifest, manifest, "--details", manifest]) == 1
    assert "expected another file to write to than is read" in capsys.readouterr().err
    assert Path(manifest).read_bytes() == before


def test_a_details_file_brings_the_normaliser_it_was_scored_with(tmp_path, capsys):
    (tmp_path / "ref").write_text("u1 hello\n")
    (tmp_path / "hyp").write_text("u1 HELLO\n")
    arguments = [str(tmp_path / "ref"), str(tmp_path / "hyp")]
    assert main(["score", *arguments, "--normaliser", "upper", "--details", str(tmp_path / "details.jsonl")]) == 0
    assert "%WER 0.00 " in capsys.readouterr().out
    assert main(["score", str(tmp_path / "ref"), str(tmp_path / "details.jsonl")]) == 0
    out = capsys.readouterr().out
    assert "%WER 0.00 " in out and "normaliser: upper" in out
    assert main(["score", *arguments]) == 0
    assert "%WER 100.00 " in capsys.readouterr().out


def test_tables_and_files_that_sclite_reads(manifest, tmp_path, capsys):
    hypotheses = tmp_path / "hyp.txt"
    hypotheses.write_text("u1 go for at\nu2 énough\nu3 hmm\n", encoding="utf-8")
    arguments = [
        "score",
        manifest,
        str(hypotheses),
        "--alignment",
        "sclite",
        "--tables",
        "--export",
        str(tmp_path / "trn"),
    ]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    report = REPORT.replace("kaldi", "sclite").replace("5 / 15, 3 ins, 0 del, 2 sub", "4 / 15, 3 ins, 0 del, 1 sub")
    assert out.startswith(report.replace("33.33", "26.67"))
    assert "it -> at" in out and "hmm" in out
    assert (tmp_path / "trn" / "ref.trn").read_text(encoding="utf-8") == (
        "go for it (unknown-u1)\nénough (unknown-u2)\n (unknown-u3)\n"
    )
    trn = tmp_path / "trn"
    counted = nist.totals("-r", trn / "ref.trn", "trn", "-h", trn / "hyp.trn", "trn", "-i", "spu_id")
    assert counted == ErrorCounts(insertions=1, substitutions=1, reference=4)
