"""`speechrnn lm` from end to end: texts in, models out, and what is said when it cannot be."""

import gzip
import json
import lzma
import random
import re

import numpy as np
import pytest

from speechrnn.cli import main
from speechrnn.lm.ngram import NgramModel

WORDS = ["ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "RÉSUMÉ"]


def lines(seed: int, number: int = 300) -> str:
    rng = random.Random(seed)
    return "".join(" ".join(rng.choices(WORDS, range(8, 0, -1), k=rng.randrange(1, 9))) + "\n" for _ in range(number))


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text.txt").write_text(lines(0), encoding="utf-8")
    return tmp_path / "text.txt"


def lm(*arguments, status=0) -> None:
    assert main(["lm", *map(str, arguments)]) == status


def printed(capsys) -> dict[str, str]:
    """The table on stdout, by its first column."""
    return dict(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in capsys.readouterr().out.splitlines())


def test_a_model_is_built_and_foresees_the_text_better_than_chance(text, tmp_path, capsys):
    lm("build", text, "-o", tmp_path / "out.lm")
    assert "1-grams" not in capsys.readouterr().out
    (tmp_path / "dev.txt").write_text("ONE TWO NINE\n\nTWO ONE\nNINE\n", encoding="utf-8")
    lm("perplexity", tmp_path / "out.lm", tmp_path / "dev.txt")
    found = printed(capsys)
    assert found["words"] == "6 in 3 sentences"
    assert found["unknown words"] == "2 (33.33%)  NINE"
    model = NgramModel.read(tmp_path / "out.lm")
    state, total = np.array([model.start]), 0.0
    for word in ["ONE", "TWO", "NINE", "</s>"]:
        score, state = model.score(state, model.indices([word]))
        total += float(score[0]) * (word != "NINE")
    state = np.array([model.start])
    for word in ["NINE", "</s>"]:
        score, state = model.score(state, model.indices([word]))
        total += float(score[0]) * (word != "NINE")
    total += model.score_sentence(["TWO", "ONE"])
    assert float(found["perplexity"]) == pytest.approx(np.exp(-total / 7), abs=0.01)
    assert sum(int(found[f"from {n}-grams"].split()[0]) for n in (1, 2, 3)) == 7
    lm("perplexity", tmp_path / "out.lm", text)
    assert 1 < float(printed(capsys)["perplexity"]) < len(WORDS)


def test_info(text, tmp_path, capsys):
    for name, form in (("a.lm", "binary, 32 bits a value"), ("a.arpa", "ARPA"), ("a.arpa.gz", "ARPA")):
        lm("build", text, "-o", tmp_path / name, "--order", 2)
        capsys.readouterr()
        lm("info", tmp_path / name)
        found = printed(capsys)
        assert (found["form"], found["order"], found["1-grams"]) == (form, "2", "11")
        assert found["words"] == "<unk> <s> </s> ONE TWO THREE FOUR FIVE ..."
        assert found["begins with"].startswith("ONE ")


def test_packed_texts_and_manifests_are_read_alike(text, tmp_path):
    contents = text.read_bytes()
    (tmp_path / "packed.gz").write_bytes(gzip.compress(contents))
    (tmp_path / "packed.xz").write_bytes(lzma.compress(contents))
    utterances = [
        {"id": str(n), "audio_filepath": f"{n}.wav", "text": line} for n, line in enumerate(contents.decode().split("\n"))
    ]  # fmt: skip
    manifest = "\n".join(json.dumps(utterance) for utterance in utterances if utterance["text"])
    (tmp_path / "manifest.jsonl").write_text(manifest)
    for name in ("text.txt", "packed.gz", "packed.xz", "manifest.jsonl"):
        lm("build", tmp_path / name, "-o", tmp_path / f"{name}.arpa")
    models = {(tmp_path / f"{name}.arpa").read_bytes() for name in ("text.txt", "packed.gz", "packed.xz")}
    assert len(models | {(tmp_path / "manifest.jsonl.arpa").read_bytes()}) == 1


def test_an_arpa_file_becomes_binary_and_stays_the_same_model(text, tmp_path, capsys):
    lm("build", text, "-o", tmp_path / "a.arpa.gz", "--order", 4, "--prune", 0, 0, 1)
    lm("convert", tmp_path / "a.arpa.gz", "-o", tmp_path / "b.lm")
    lm("convert", tmp_path / "a.arpa.gz", "-o", tmp_path / "c.lm", "--quantise")
    lm("convert", tmp_path / "a.arpa.gz", "-o", tmp_path / "d.arpa")
    perplexities = []
    for name in ("a.arpa.gz", "b.lm", "c.lm", "d.arpa"):
        capsys.readouterr()
        lm("perplexity", tmp_path / name, text)
        perplexities.append(float(printed(capsys)["perplexity"]))
    assert perplexities == pytest.approx([perplexities[0]] * 4, rel=0.01)
    assert perplexities[0] == perplexities[1] == perplexities[3]


def test_pruning_and_vocabularies_make_smaller_models(text, tmp_path, capsys):
    (tmp_path / "words.txt").write_text("ONE 12\nTWO 3\nNINE 1\n")
    lm("build", text, "-o", tmp_path / "whole.lm")
    for n, options in enumerate((["--prune", 0, 1, 1], ["--entropy", 1e-3], ["--most-frequent", 2])):
        lm("build", text, "-o", tmp_path / f"{n}.lm", *options)
        assert sum(NgramModel.read(tmp_path / f"{n}.lm").counts) < sum(NgramModel.read(tmp_path / "whole.lm").counts)
    lm("build", text, "-o", tmp_path / "words.lm", "--vocabulary", tmp_path / "words.txt")
    assert list(NgramModel.read(tmp_path / "words.lm").words) == ["<unk>", "<s>", "</s>", "ONE", "TWO", "NINE"]
    assert "3 words kept" in capsys.readouterr().err


def test_the_alphabet_of_a_model_is_compared(text, tmp_path, capsys, package_dir):
    lm("build", text, "-o", tmp_path / "out.lm", "--model", package_dir)
    assert "can spell 7 of 8 words" in (told := capsys.readouterr().err) and "not RÉSUMÉ" in told
    text.write_text(lines(1).lower(), encoding="utf-8")
    lm("build", text, "-o", tmp_path / "out.lm", "--model", package_dir)  # whose normaliser is upper
    assert "ONE" in NgramModel.read(tmp_path / "out.lm").words


def test_the_wrong_case_is_an_error_that_says_so(text, tmp_path, capsys, package_dir):
    text.write_text(lines(1).lower(), encoding="utf-8")
    lm("build", text, "-o", tmp_path / "out.lm", "--model", package_dir, "--normaliser", "raw", status=1)
    error = capsys.readouterr().err.splitlines()[-1]
    assert str(text) in error and "can spell 0.0% of the words, in upper case" in error
    assert "--normaliser upper" in error
    assert not (tmp_path / "out.lm").exists()
    text.write_text("ещё один текст\n", encoding="utf-8")
    lm("build", text, "-o", tmp_path / "out.lm", "--model", package_dir, status=1)
    assert "right language" in capsys.readouterr().err


def test_a_text_in_the_other_case_than_the_model_is_noticed(text, tmp_path, capsys):
    lm("build", text, "-o", tmp_path / "out.lm")
    (tmp_path / "dev.txt").write_text("one two\n")
    lm("perplexity", tmp_path / "out.lm", tmp_path / "dev.txt")
    assert "does not know most of the words, such as 'one'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prune", "1", "1"], "expected 0 and then counts that never fall, found 1 1"),
        (["--prune", "0", "2", "1"], "expected 0 and then counts that never fall, found 0 2 1"),
        (["--prune", "0", "0", "0", "0"], "expected up to 3 counts"),
        (["--entropy", "2"], "expected a share between 0 and 1"),
        (["--entropy", "nan"], "expected a share between 0 and 1"),
        (["-o", "out.arpa", "--quantise"], "an ARPA file holds no quantised values"),
        (["--vocabulary", "/dev/null"], "expected words, one a line, found none"),
        (["--model", "nowhere"], "expected the directory of a model package"),
    ],
)
def test_wrong_settings_are_named(text, tmp_path, capsys, options, message):
    lm("build", text, "-o", tmp_path / "out.lm", *options, status=1)
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize("order", ["0", "5", "x"])
def test_wrong_orders_are_wrong_usage(text, tmp_path, order):
    with pytest.raises(SystemExit) as stop:
        lm("build", text, "-o", tmp_path / "out.lm", "--order", order)
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "found no word in it"),
        (b"\n \n", "found no word in it"),
        ("ONE\nZWÖLF\n".encode("latin-1"), "line 2: expected UTF-8"),
        (b"ONE <unk>\n", "line 1: the words <unk>, <s>, </s>"),
        (gzip.compress(lines(0).encode())[:-40], "damaged or truncated"),
        (lzma.compress(lines(0).encode())[:-40], "damaged or truncated"),
    ],
)
def test_texts_that_cannot_be_used_are_named(text, tmp_path, capsys, contents, message):
    text.write_bytes(contents)
    lm("build", text, "-o", tmp_path / "out.lm", status=1)
    error = capsys.readouterr().err.splitlines()[-1]
    assert str(text) in error and message in error


def test_what_is_no_model_is_named(text, tmp_path, capsys):
    for arguments in (("info", text), ("perplexity", text, text), ("convert", text, "-o", tmp_path / "out.lm")):
        lm(*arguments, status=1)
        assert "expected an ARPA file" in capsys.readouterr().err
    lm("build", text, "-o", tmp_path / "out.lm")
    lm("perplexity", tmp_path / "out.lm", tmp_path / "missing.txt", status=1)
    assert "missing.txt" in capsys.readouterr().err


def test_the_same_text_gives_the_same_model(text, tmp_path):
    for name in ("a.lm", "b.lm", "a.arpa.gz", "b.arpa.gz"):
        lm("build", text, "-o", tmp_path / name)
    for kind in ("lm", "arpa.gz"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
