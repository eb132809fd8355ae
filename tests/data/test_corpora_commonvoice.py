"""Common Voice's layout in scripts that are not Latin, in old and new releases, and with its defects."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechrnn.cli import main
from speechrnn.data.corpora import Rules
from speechrnn.data.corpora.commonvoice import prepare_commonvoice
from speechrnn.errors import InputError
from speechrnn.manifest import read_manifest

WORDS = Rules("words")
RELEASES = {  # and their columns
    "1": "client_id path sentence up_votes down_votes age gender accent",
    "7": "client_id path sentence up_votes down_votes age gender accent locale segment",
    "17": "client_id path sentence_id sentence sentence_domain up_votes down_votes age gender accents variant locale segment",
}
SENTENCES = {  # as people write them, and what is to be learnt
    "ar": [("السَّلَامُ عَلَيْكُمْ، كَيْفَ حَالُكَ؟", "السَّلَامُ عَلَيْكُمْ كَيْفَ حَالُكَ"), ("«مرحـــبا»", "مرحبا"), ("نعم!", "نعم"), ("لا.", "لا")],
    "hi": [("नमस्ते, दुनिया।", "नमस्ते दुनिया"), ("क्या हाल है?", "क्या हाल है"), ("हाँ", "हाँ"), ("ज़रा", "ज़रा")],
    "th": [("สวัสดีครับ", "สวัสดีครับ"), ("ที่นี่", "ที่นี่"), ("น้ำ", "น้ำ"), ("ไม่", "ไม่")],
    "vi": [("Tiếng Việt, được không?", "tiếng việt được không"), ("Phở", "phở"), ("Ở đây", "ở đây"), ("Ừ", "ừ")],
    "de": [('"Grüße!", sagte er.', "grüße sagte er"), ("„Äh … nö“", "äh nö"), ("Ja", "ja"), ("O’Neill", "o'neill")],
}  # fmt: skip


def clip(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(np.arange(8000) * 0.3), 32000, format="MP3")


def table(language: Path, name: str, rows: list[tuple[str, str, str]], release: str = "17") -> None:
    """rows of (client_id, path, sentence)"""
    columns = RELEASES[release].split()
    lines = [columns]
    for row in rows:
        fields = dict(zip(("client_id", "path", "sentence"), row, strict=True))
        lines.append([fields.get(column, "x") for column in columns])
    language.mkdir(parents=True, exist_ok=True)
    (language / f"{name}.tsv").write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")


def make_language(root: Path, name: str, release: str = "17") -> Path:
    """Two utterances to train on, one of each of dev and test, and validated.tsv with all of them."""
    language = root / "cv-corpus" / name
    rows = []
    for number, (sentence, _) in enumerate(SENTENCES[name]):
        path = f"common_voice_{name}_{number}.mp3"
        clip(language / "clips" / path)
        rows.append(("cdab"[number] * 128, path, unicodedata.normalize("NFD", sentence)))
    for split, part in (("train", rows[:2]), ("dev", rows[2:3]), ("test", rows[3:]), ("validated", rows)):
        table(language, split, part, release)
    return language


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", SENTENCES)
def test_any_language_of_any_release(tmp_path, name, release):
    make_language(tmp_path, name, release)
    splits = prepare_commonvoice(tmp_path / "cv-corpus", WORDS)
    assert [split.name for split in splits] == ["train", "dev", "test", "validated"]
    assert not any(split.left_out for split in splits)
    train, dev, test, validated = (split.utterances for split in splits)
    assert [u.text for u in train + dev + test] == [unicodedata.normalize("NFC", text) for _, text in SENTENCES[name]]
    assert [u.speaker for u in train + dev + test] == [letter * 128 for letter in "cdab"]
    assert all(u.duration == 0.25 and Path(u.audio_filepath).is_file() for u in train + dev + test)
    assert validated == train


def test_validated_is_more_than_train_and_shares_nothing_with_dev_and_test(tmp_path):
    language = make_language(tmp_path, "de")
    for number in range(4, 9):
        clip(language / "clips" / f"{number}.mp3")
    more = [
        ("e", "4.mp3", "Grüße sagte er"),  # another reader of a sentence of train
        ("e", "5.mp3", "JA!"),  # a sentence of dev
        ("b" * 128, "6.mp3", "noch etwas"),  # the speaker of test
        ("f", "7.mp3", "ganz neu"),
    ]
    with open(language / "validated.tsv", "a", encoding="utf-8") as file:
        file.writelines("\t".join((who, path, "x", text)) + "\n" for who, path, text in more)
    validated = prepare_commonvoice(language, WORDS)[3]
    assert [u.id for u in validated.utterances] == ["common_voice_de_0", "common_voice_de_1", "4", "7"]
    assert {(item.id, item.reason) for item in validated.left_out} == {
        ("5", "sentence of dev or test"),
        ("6", "speaker of dev or test"),
    }
    everything, test = prepare_commonvoice(language, WORDS, own_dev=True)
    assert (everything.name, test.name) == ("all", "test")
    assert [u.id for u in everything.utterances] == [*(f"common_voice_de_{n}" for n in (0, 1, 2)), "4", "5", "7"]


def test_without_validated_there_are_the_three_splits(tmp_path):
    language = make_language(tmp_path, "th")
    (language / "validated.tsv").unlink()
    assert [split.name for split in prepare_commonvoice(language, WORDS)] == ["train", "dev", "test"]


def test_defects_are_left_out_by_name(tmp_path):
    language = make_language(tmp_path, "vi")
    clip(language / "clips" / "early.mp3")
    table(language, "train", [("e", "early", "Ừ"), ("e", "gone.mp3", "Ừ"), ("e", "common_voice_vi_0.mp3", "?!")], "1")
    with open(language / "train.tsv", "a") as file:
        file.write("cut\tshort\n")
    train = prepare_commonvoice(language, WORDS)[0]
    assert [(u.id, u.text) for u in train.utterances] == [("early", "ừ")]
    assert {(item.id, item.reason) for item in train.left_out} == {
        ("gone", "missing audio"),
        ("common_voice_vi_0", "empty transcript"),
        ("train.tsv:5", "bad row"),
    }


def test_what_is_not_one_language_is_refused_in_a_line(tmp_path):
    with pytest.raises(InputError, match="expected a language of Common Voice .* found no folder with a train.tsv"):
        prepare_commonvoice(tmp_path, WORDS)
    for name in ("hi", "th"):
        language = make_language(tmp_path, name)
    with pytest.raises(InputError, match="found hi, th; name that folder"):
        prepare_commonvoice(tmp_path / "cv-corpus", WORDS)
    (language / "dev.tsv").write_text("client_id\tpath\ttext\n")
    with pytest.raises(InputError, match=r"dev\.tsv: expected the columns .*, did not find sentence"):
        prepare_commonvoice(language, WORDS)


def test_from_the_command_line(tmp_path, capsys):
    language = make_language(tmp_path, "ar")
    assert main(["prepare", "commonvoice", str(language), str(tmp_path / "ar")]) == 0
    assert [u.text for u in read_manifest(tmp_path / "ar" / "dev.jsonl")] == ["نعم"]
    assert "<U+064E>" in capsys.readouterr().out  # fatha, which would not be seen by itself
    assert main(["prepare", "commonvoice", str(language), str(tmp_path / "own"), "--dev-speakers", "40%"]) == 0
    written = {path.stem: len(read_manifest(path)) for path in (tmp_path / "own").glob("*.jsonl")}
    assert written == {"train": 2, "dev": 1, "train_all": 3, "test": 1}
