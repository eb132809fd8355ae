"""Model packages: written whole, read and checked, found by name."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import DESCRIPTION, TOKENS

from speechrnn import package
from speechrnn.errors import InputError
from speechrnn.package import read_package, write_decoder, write_package
from speechrnn.package_cache import find_package
from speechrnn.text import Tokenizer


@pytest.fixture
def copied(tmp_path, package_dir):
    return shutil.copytree(package_dir, tmp_path / "copied")


def test_what_is_written_is_read(package_dir, tone_onnx):
    read = read_package(package_dir)
    for key, value in DESCRIPTION.items():
        assert getattr(read, key) == value
    assert read.tokenizer.tokens == TOKENS
    assert read.samples_per_frame == 640
    assert read.directory == package_dir
    assert read.model_path.read_bytes() == tone_onnx
    assert (package_dir / "MODEL_CARD.md").read_text() == "# tones\n"
    assert os.listdir(package_dir.parent) == ["tones"]  # nothing is left of the writing


def test_a_package_is_replaced_whole(copied):
    (copied / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="it also holds notes.txt"):
        write_package(copied, b"new", Tokenizer(TOKENS), DESCRIPTION | {"name": "new"}, "new")
    assert read_package(copied).name != "new"
    (copied / "notes.txt").unlink()
    write_package(copied, b"new", Tokenizer(TOKENS), DESCRIPTION | {"name": "new"}, "new")
    assert sorted(os.listdir(copied)) == ["MODEL_CARD.md", "model.json", "model.onnx", "tokens.txt"]
    assert read_package(copied).name == "new"
    assert os.listdir(copied.parent) == ["copied"]


def test_a_failure_while_writing_leaves_the_old_package(copied, tone_onnx):
    with pytest.raises(TypeError):
        write_package(copied, b"new", Tokenizer(TOKENS), DESCRIPTION, None)  # the card, which is written last
    with pytest.raises(InputError, match="missing: front_end"):
        write_package(
            copied, b"new", Tokenizer(TOKENS), {k: DESCRIPTION[k] for k in DESCRIPTION if k != "front_end"}, ""
        )
    assert read_package(copied).model_path.read_bytes() == tone_onnx
    assert os.listdir(copied.parent) == ["copied"]


KILLED = """
import os, sys
from speechrnn.package import read_package, write_decoder
renames = []
def rename(source, target):
    if len(renames) == int(sys.argv[2]):
        os._exit(9)
    renames.append(os.replace(source, target))
os.rename = rename
write_decoder(read_package(sys.argv[1]), {"method": "beam"}, sys.argv[1], lambda folder: folder.mkdir())
"""


@pytest.mark.parametrize("renames, method", [(0, "greedy"), (1, "beam"), (2, "beam")])
def test_a_kill_while_a_package_is_replaced_leaves_one_of_its_name(copied, renames, method):
    shutil.copytree(copied, copied.with_name("copied.2"))
    done = subprocess.run([sys.executable, "-c", KILLED, copied, str(renames)], check=False)
    assert done.returncode == (0 if renames == 2 else 9)
    assert copied.exists() == (renames != 1)
    assert find_package(copied.with_name("copied.2")) == copied.with_name("copied.2")
    assert find_package(copied) == copied
    assert read_package(copied).decoder["method"] == method
    if renames == 1:
        assert sorted(os.listdir(copied.parent)) == ["copied", "copied.2"]


def test_a_kill_is_no_harm_to_the_next_replacement_or_to_a_reader_of_the_folder(copied):
    subprocess.run([sys.executable, "-c", KILLED, copied, "1"], check=False)
    write_decoder(read_package(copied), TUNED, copied)
    assert read_package(copied).decoder == TUNED and (copied / "lm").is_dir()
    subprocess.run([sys.executable, "-c", KILLED, copied, "1"], check=False)
    (new,) = copied.parent.glob(".copied.*.part")
    shutil.rmtree(new)
    assert read_package(copied).decoder == TUNED  # without the new one, the old one
    assert os.listdir(copied.parent) == ["copied"]


def test_a_reader_may_finish_a_replacement_before_the_writer(copied, monkeypatch):
    rename = os.rename

    def raced(source, target):
        if target == copied:
            monkeypatch.setattr(os, "rename", rename)
            assert read_package(copied).decoder == TUNED
        rename(source, target)

    package = read_package(copied)
    monkeypatch.setattr(os, "rename", raced)
    write_decoder(package, TUNED, copied, lambda folder: write_files(folder, "ngram.lm"))
    assert read_package(copied).decoder == TUNED
    assert os.listdir(copied.parent) == ["copied"]


def test_what_is_no_package_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for target in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(InputError, match="found something else"):
            write_package(target, b"", Tokenizer(TOKENS), DESCRIPTION, "")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    write_package(tmp_path / "empty", b"", Tokenizer(TOKENS), DESCRIPTION, "")
    assert read_package(tmp_path / "empty").name == "tones"


def test_a_newer_format_is_refused_by_name(copied):
    # it may lack what we know, and hold what we do not
    (copied / "model.json").write_text(json.dumps({"format": 2, "shape": "new"}))
    with pytest.raises(InputError, match="format 2: this speechrnn reads up to format 1; upgrade"):
        read_package(copied)


def test_keys_that_we_do_not_know_are_no_fault(copied):
    (copied / "model.json").write_text(json.dumps(DESCRIPTION | {"remark": "made in May"}))
    assert read_package(copied).name == "tones"


@pytest.mark.parametrize("key", DESCRIPTION)
def test_a_missing_key_is_named(copied, key):
    (copied / "model.json").write_text(json.dumps({k: v for k, v in DESCRIPTION.items() if k != key}))
    with pytest.raises(InputError, match=f"model.json: missing: {key}$"):
        read_package(copied)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "1"),
        ("format", 0),
        ("name", 5),
        ("sample_rate", 16000.5),
        ("sample_rate", True),
        ("sample_rate", -16000),
        ("front_end", "fbank"),
        ("front_end", {"shift_seconds": "0.01"}),
        ("front_end", {"shift_seconds": [1]}),
        ("front_end", {"shift_seconds": 0}),
        ("front_end", {"shift_seconds": float("nan")}),
        ("seconds_per_frame", 0),
        ("seconds_per_frame", float("nan")),
        ("seconds_per_frame", 0.01001),
        ("token_type", "bpe"),
        ("word_boundary", " "),
        ("normaliser", "lowest"),
        ("output_case", "title"),
        ("decoder", {}),
        ("decoder", {"method": "oracle"}),
        ("decoder", {"method": "beam", "beam": 0}),
        ("decoder", {"method": "beam", "beam": 8.5}),
        ("decoder", {"method": "beam", "lm_weight": -0.1}),
        ("decoder", {"method": "beam", "word_bonus": float("nan")}),
        ("decoder", {"method": "beam", "unknown_penalty": "10"}),
        ("decoder", {"method": "greedy", "confidence": [1.0]}),
        ("decoder", {"method": "greedy", "confidence": [float("nan"), 0]}),
        ("decoder", {"method": "greedy", "confidence": [True, 0]}),
        ("decoder", {"method": "beam", "log_priors": [float("-inf")]}),
        ("language", None),
    ],
)
def test_a_wrong_value_is_named(copied, key, value):
    (copied / "model.json").write_text(json.dumps(DESCRIPTION | {key: value}))
    with pytest.raises(InputError, match=rf"model\.json: {key}\b.*expected"):
        read_package(copied)


@pytest.mark.parametrize("contents", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_description_that_is_no_json_object(copied, contents):
    (copied / "model.json").write_bytes(contents)
    with pytest.raises(InputError, match="model.json: expected"):
        read_package(copied)


@pytest.mark.parametrize("name", ["model.onnx", "tokens.txt", "model.json"])
def test_a_missing_file_is_named(copied, name):
    (copied / name).unlink()
    with pytest.raises(InputError, match=f"found no {name};"):
        read_package(copied)


@pytest.mark.parametrize("contents", [b"", b"<blank> 0\nA 2\n", b"A 0\n", b"\xff 0\n"])
def test_tokens_that_are_wrong(copied, contents):
    (copied / "tokens.txt").write_bytes(contents)
    with pytest.raises(InputError, match="tokens.txt.*(expected|first must be)"):
        read_package(copied)


def test_packages_are_found_by_name_and_by_path(tmp_path, package_dir, monkeypatch):
    monkeypatch.setattr(package, "BUNDLED", tmp_path / "pretrained")
    with pytest.raises(InputError, match="model 'english': .*none is bundled"):
        find_package()
    for name in ("english", "small"):
        shutil.copytree(package_dir, tmp_path / "pretrained" / name)
    assert find_package() == find_package("english") == tmp_path / "pretrained" / "english"
    assert find_package("small") == tmp_path / "pretrained" / "small"
    assert find_package(package_dir) == find_package(str(package_dir)) == package_dir
    (tmp_path / "here" / "small").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert find_package("small") == tmp_path / "pretrained" / "small"
    assert os.path.samefile(find_package("./small"), tmp_path / "here" / "small")
    shutil.copytree(package_dir, tmp_path / "here" / "small", dirs_exist_ok=True)
    with pytest.raises(InputError, match=r"a bundled one and the folder small here: write \./small for the folder"):
        find_package("small")
    assert os.path.samefile(find_package("./small"), tmp_path / "here" / "small")
    shutil.copytree(package_dir, tmp_path / "here" / "english")
    assert find_package() == tmp_path / "pretrained" / "english"  # it was not named
    monkeypatch.chdir(tmp_path / "pretrained")
    assert find_package("small") == tmp_path / "pretrained" / "small"  # it is the same folder
    monkeypatch.chdir(tmp_path)
    for wrong in ("smal", "", "../pretrained/none", "a\0b", "a" * 5000):
        with pytest.raises(InputError, match=r"expected .* bundled name \(english, small\), found neither"):
            find_package(wrong)
    with pytest.raises(InputError, match="found a file: name its folder"):
        find_package(package_dir / "model.onnx")


TUNED = {"method": "beam", "beam": 16, "lm_weight": 0.5, "word_bonus": -1.0, "unknown_penalty": 0.0}


def test_a_decoder_is_written_into_a_package_and_nothing_else_changes(copied, tone_onnx):
    description = DESCRIPTION | {"decoder": {"method": "greedy", "confidence": [1.5, -0.5]}, "remark": "made in May"}
    (copied / "model.json").write_text(json.dumps(description))
    write_decoder(read_package(copied), TUNED, copied)
    assert json.loads((copied / "model.json").read_text()) == description | {
        "decoder": {**TUNED, "confidence": [1.5, -0.5]}
    }
    read = read_package(copied)
    assert read.calibration == (1.5, -0.5) and read.lm_directory is None
    write_decoder(read, TUNED | {"beam": 8}, copied, lambda folder: write_files(folder, "ngram.lm", "lexicon.txt"))
    assert sorted(os.listdir(copied / "lm")) == ["lexicon.txt", "ngram.lm"]
    write_decoder(read_package(copied), TUNED, copied, lambda folder: write_files(folder, "ngram.lm"))
    assert os.listdir(copied / "lm") == ["ngram.lm"]  # the lexicon of the old one went with it
    assert read_package(copied).lm_directory == copied / "lm"
    assert (copied / "model.onnx").read_bytes() == tone_onnx
    assert (copied / "MODEL_CARD.md").read_text() == "# tones\n"
    assert os.listdir(copied.parent) == ["copied"]


def test_a_decoder_is_written_beside_a_package(package_dir, tmp_path):
    package = read_package(package_dir)
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        write_decoder(package, TUNED, tmp_path / name, lambda folder: write_files(folder, "ngram.lm"))
        assert read_package(tmp_path / name).decoder == TUNED
        assert not os.path.samefile(tmp_path / name / "model.onnx", package.model_path)
        with pytest.raises(InputError, match="does not exist yet, found something"):
            write_decoder(package, TUNED, tmp_path / name)
    assert read_package(package_dir).decoder == {"method": "greedy"} and package.lm_directory is None


def test_a_failure_while_writing_a_decoder_leaves_the_package(copied):
    def fail(folder):
        write_files(folder, "ngram.lm")
        raise OSError("the disk is full")

    before = {path.name: path.read_bytes() for path in copied.iterdir()}
    with pytest.raises(OSError, match="full"):
        write_decoder(read_package(copied), TUNED, copied, fail)
    with pytest.raises(InputError, match="lm_weight: expected a number"):
        write_decoder(read_package(copied), TUNED | {"lm_weight": None}, copied)
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == before
    assert os.listdir(copied.parent) == ["copied"]


def test_a_language_model_is_not_lost_to_a_new_package(copied):
    write_decoder(read_package(copied), TUNED, copied, lambda folder: write_files(folder, "ngram.lm"))
    with pytest.raises(InputError, match="it also holds lm: move that away first"):
        write_package(copied, b"new", Tokenizer(TOKENS), DESCRIPTION, "new")


def write_files(folder, *names):
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
