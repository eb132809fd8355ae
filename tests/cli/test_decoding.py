"""The arguments that steer the decoder, through `speechrnn transcribe` and `evaluate`."""

import json
import shlex

import numpy as np
import pytest
import soundfile
from ambiguous import blend, build_lm, with_a_limit, without_tiny, write_dev
from conftest import DESCRIPTION, RATE, TOKENS, tones

from speechrnn.cli import main
from speechrnn.package import read_package, write_decoder, write_package
from speechrnn.scoring.results import read_rows
from speechrnn.search.language_model import read_language_model, write_packaged
from speechrnn.text import Tokenizer

WEIGHTS = {"method": "beam", "beam": 12, "lm_weight": 0.5, "word_bonus": 1.0, "unknown_penalty": 10.0}


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return build_lm(tmp_path_factory.mktemp("lm"))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, package_dir, lm):
    """A package with a language model and a closed vocabulary."""
    directory = tmp_path_factory.mktemp("packages") / "tuned"
    package = read_package(package_dir)
    model = read_language_model(lm, package, closed=True)
    write_decoder(package, WEIGHTS, directory, lambda folder: write_packaged(model, package.tokenizer, folder))
    return directory


@pytest.fixture
def sound(tmp_path):
    soundfile.write(tmp_path / "sound.wav", blend("good way now", "good day now"), RATE)
    return tmp_path / "sound.wav"


@pytest.fixture
def transcribe(capsys):
    def call(model, *arguments) -> tuple[int, list[str], list[str]]:
        status = main(["transcribe", "--model", str(model), "--threads", "1", *map(str, arguments)])
        printed = capsys.readouterr()
        return status, printed.out.splitlines(), printed.err.splitlines()

    return call


def test_what_the_arguments_do(transcribe, package_dir, tuned, lm, sound, tmp_path):
    hotwords = tmp_path / "hot.txt"
    hotwords.write_text("Day\n\n good day \n", encoding="utf-8-sig")
    for model, arguments, text in (
        (package_dir, [], "good way now"),
        (package_dir, ["--lm", lm], "good day now"),
        (package_dir, ["--beam", 8], "good way now"),
        (package_dir, ["--hotwords", "smith, day"], "good day now"),
        (package_dir, ["--hotwords", hotwords], "good day now"),
        (package_dir, ["--hotwords", "day", "--hotword-weight", "0.01"], "good way now"),
        (tuned, [], "good day now"),
        (tuned, ["--no-lm"], "good way now"),
        (tuned, ["--no-lm", "--beam", 3], "good way now"),
        (tuned, ["--lm", lm, "--hotwords", "xylophone"], "good day now"),
    ):
        assert transcribe(model, sound, *arguments) == (0, [text], []), arguments


def test_nbest_is_a_table(transcribe, package_dir, tuned, sound, tmp_path):
    status, out, err = transcribe(tuned, sound, "--nbest", 3)
    rows = [line.split("\t") for line in out]
    assert (status, err) == (0, []) and 1 <= len(rows) <= 3
    assert [row[:2] for row in rows] == [[str(sound), str(rank)] for rank in range(1, len(rows) + 1)]
    assert rows[0][5] == "good day now"
    for _, _, score, acoustic, language, text in rows:
        assert float(score) == pytest.approx(float(acoustic) + 0.5 * float(language) + len(text.split()), abs=2e-3)
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    status, out, _ = transcribe(package_dir, sound, tmp_path / "silence.wav", "--nbest", 1)
    assert status == 0 and [line.split("\t")[5] for line in out] == ["good way now", ""]
    assert all(line.split("\t")[4] == "0.000" for line in out)


def test_one_line_says_what_cannot_be_used(transcribe, package_dir, tuned, sound, tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    for model, arguments, message in (
        (package_dir, ["--lm", tmp_path / "none.lm"], "none.lm: expected a language model: No such file"),
        (package_dir, ["--lm", sound], "sound.wav: expected"),
        (package_dir, ["--hotwords", "мир"], "hotword 'мир': characters outside the alphabet"),
        (package_dir, ["--hotwords", tmp_path / "none.txt"], "none.txt: expected hotwords"),
        (package_dir, ["--hotwords", tmp_path / "empty.txt"], "empty.txt: expected words, found none"),
        (package_dir, ["--hotwords", "a", "--hotword-weight", "0"], "hotword 'a': expected a positive weight"),
        (package_dir, ["--hotword-weight", "2"], "--hotword-weight: expected --hotwords beside it"),
        (tuned, ["--hotwords", "smith"], "'SMITH' is not in the lexicon"),
    ):
        status, out, err = transcribe(model, sound, *arguments)
        assert (status, out, len(err)) == (1, [], 1), arguments
        assert message in err[0] and err[0].startswith("speechrnn transcribe: ")


@pytest.mark.parametrize("arguments", [["--beam", "0"], ["--nbest", "x"], ["--lm", "a", "--no-lm"]])
def test_wrong_usage(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(["transcribe", "a.wav", *arguments])
    assert caught.value.code == 2


@pytest.mark.parametrize("arguments", [[], ["--beam", "8"]])
def test_nan_spoils_one_file_and_not_the_others(transcribe, tone_onnx, tmp_path, arguments):
    write_package(tmp_path / "nan", without_tiny(tone_onnx), Tokenizer(TOKENS), DESCRIPTION, "")
    noise = np.random.default_rng(0).normal(0, 1e-3, 3 * RATE)
    paths = [tmp_path / name for name in ("a.wav", "silence.wav", "b.wav")]
    for path, text in ((paths[0], "one"), (paths[2], "two")):
        hum = tones(text)
        soundfile.write(path, hum + noise[: len(hum)], RATE)
    soundfile.write(paths[1], np.zeros(RATE), RATE)
    status, out, err = transcribe(tmp_path / "nan", *paths, *arguments)
    assert (status, out) == (1, [f"{paths[0]}\tone", f"{paths[2]}\ttwo"])
    assert err[0] == (
        f"speechrnn transcribe: {paths[1]}: log-probabilities: expected numbers, found NaN in 25 of 25 frames"
    )


def test_evaluate_and_tune_name_the_utterance_of_which_the_model_makes_nan(tone_onnx, lm, tmp_path, capsys):
    write_package(tmp_path / "nan", without_tiny(tone_onnx), Tokenizer(TOKENS), DESCRIPTION, "")
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    row = {"id": "u7", "audio_filepath": "silence.wav", "text": "good day"}
    (tmp_path / "dev.jsonl").write_text(json.dumps(row))
    for command in ("evaluate", "tune"):
        assert main([command, str(tmp_path / "nan"), str(tmp_path / "dev.jsonl"), "--lm", str(lm)]) == 1
        printed = capsys.readouterr()
        message = "utterance u7: log-probabilities: expected numbers, found NaN in 25 of 25 frames"
        assert printed.out == "" and printed.err == f"speechrnn {command}: {message}\n"


def test_a_file_that_the_model_cannot_be_run_on_is_named_and_the_others_are_transcribed(
    transcribe, tone_onnx, tmp_path, lm, capsys
):
    write_package(tmp_path / "limited", with_a_limit(tone_onnx, RATE), Tokenizer(TOKENS), DESCRIPTION, "")
    paths = [tmp_path / name for name in ("a.wav", "b.wav", "long.wav", "c.wav")]
    for path, text in zip(paths, ("one", "too many", "on and on it goes " * 10, "two"), strict=True):
        soundfile.write(path, tones(text), RATE)
    status, out, err = transcribe(tmp_path / "limited", *paths)
    assert (status, out) == (1, [f"{paths[0]}\tone", f"{paths[3]}\ttwo"])
    for line, path in zip(err[:2], paths[1:3], strict=True):
        assert line.startswith(f"speechrnn transcribe: {path}: ONNX Runtime cannot run the model {tmp_path}/limited/")
        assert "Gather" in line
    (tmp_path / "dev.jsonl").write_text(json.dumps({"id": "u7", "audio_filepath": "b.wav", "text": "too many"}))
    for command in ("evaluate", "tune"):
        assert main([command, str(tmp_path / "limited"), str(tmp_path / "dev.jsonl"), "--lm", str(lm)]) == 1
        assert "utterance u7: ONNX Runtime cannot run" in capsys.readouterr().err


def test_evaluate_records_how_it_decoded(package_dir, tuned, lm, tmp_path, capsys):
    manifest, record = write_dev(tmp_path, "test.jsonl"), tmp_path / "results.jsonl"
    commands = [
        ["evaluate", str(package_dir), str(manifest), "--record", str(record)],
        ["evaluate", str(package_dir), str(manifest), "--record", str(record), "--lm", str(lm)],
        ["evaluate", str(tuned), str(manifest), "--record", str(record)],
        ["evaluate", str(tuned), str(manifest), "--record", str(record), "--no-lm", "--hotwords", "now", "--beam", "8"],
    ]
    errors = []
    for command in commands:
        assert main(command) == 0
        errors.append(int(capsys.readouterr().out.split()[3]))
    assert errors[0] == 3 and errors[1] == errors[2] == 0 and errors[3] > 0
    rows = read_rows(record)  # decoded in other ways, it is another system: no row replaced another
    assert [row["decoding"] for row in rows] == [
        "greedy",
        "beam 64, 3-grams of 3 words (text.lm, open vocabulary), lm weight 0.5, word bonus 1, unknown penalty 1",
        "beam 12, 3-grams of 3 words (ngram.lm, closed vocabulary), lm weight 0.5, word bonus 1",
        "beam 8, 1 hotword of weight 1",
    ]
    assert [row["system"] for row in rows[:2]] == ["tones", f"tones, {rows[1]['decoding']}"]
    log = [json.loads(line) for line in (tmp_path / "test.evaluations.jsonl").read_text().splitlines()]
    for row, entry, command in zip(rows, log, commands, strict=True):
        assert row["command"] == entry["command"] == shlex.join(["speechrnn", *command])
        assert row["decoding"] == entry["decoding"]
