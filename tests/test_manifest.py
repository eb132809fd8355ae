"""Manifests: what is written is read, every check of a line, and files that are written whole or not at all."""

import json
import os

import pytest

from speechrnn.errors import InputError
from speechrnn.manifest import Utterance, read_manifest, write_manifest

LINE = {"audio_filepath": "a.wav", "text": "good day"}


@pytest.fixture
def read(tmp_path):
    """Writes lines, which are objects or text, as a manifest, and reads that."""

    def call(*lines, **options):
        path = tmp_path / "some.jsonl"
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return read_manifest(path, **options)

    return call


def test_what_is_written_is_read(tmp_path):
    utterances = [
        Utterance("one", str(tmp_path / "corpus" / "a.wav"), "größer\u2028als", 1.5, 2.25, "s1"),
        Utterance("two", str(tmp_path / "elsewhere" / "b.wav"), "", nonspeech=True),
    ]
    path = tmp_path / "corpus" / "train.jsonl"  # whose folder is made
    write_manifest(path, utterances)
    assert read_manifest(path) == utterances
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    assert [row["audio_filepath"] for row in rows] == ["a.wav", str(tmp_path / "elsewhere" / "b.wav")]
    assert [row.get("nonspeech") for row in rows] == [None, True]
    os.rename(tmp_path / "corpus", tmp_path / "moved")
    assert read_manifest(tmp_path / "moved" / "train.jsonl")[0].audio_filepath == str(tmp_path / "moved" / "a.wav")


def test_what_a_line_may_leave_out(read, tmp_path):
    (utterance,) = read(LINE)
    assert utterance == Utterance("a", str(tmp_path / "a.wav"), "good day")
    found = read(
        LINE | {"offset": 2},
        LINE | {"utt_id": 7, "duration": 1},
        LINE | {"id": "x", "utt_id": "y", "offset": None, "duration": None, "speaker": 5},
        "",
        "   ",
    )
    assert [each.id for each in found] == ["a-2", "7", "x"]
    assert [(each.offset, each.duration) for each in found] == [(2.0, None), (0.0, 1.0), (0.0, None)]
    assert found[2].speaker == "5"


def test_a_byte_order_mark_and_windows_line_ends(tmp_path):
    (tmp_path / "some.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(LINE).encode() + b"\r\n")
    assert read_manifest(tmp_path / "some.jsonl")[0].text == "good day"


@pytest.mark.parametrize("line", ["{", "good day", '{"audio_filepath": "a.wav", "text": "x"'])
def test_a_line_that_is_no_json(read, line):
    with pytest.raises(InputError, match=r"some\.jsonl, line 2: expected a JSON object, found .*\("):
        read(LINE, line)


@pytest.mark.parametrize("line", [[], 5, "x", None, {}, {"audio_filepath": 5, "text": "x"}, {"text": "x"}])
def test_a_line_that_names_no_audio(read, line):
    with pytest.raises(InputError, match=r"line 1: expected a JSON object.*, found"):
        read(json.dumps(line))


@pytest.mark.parametrize("text", ["", "  ", None, 5])
def test_an_utterance_without_a_text(read, text):
    with pytest.raises(InputError, match=r"line 1: expected a 'text' that is not empty .*, found"):
        read(LINE | {"text": text})


def test_a_text_may_be_empty_where_nothing_is_said_or_no_text_is_needed(read):
    assert read(LINE | {"text": "", "nonspeech": True})[0].nonspeech
    assert read({"audio_filepath": "a.wav"}, texts=False)[0].text == ""
    with pytest.raises(InputError, match="expected a 'text' that is not empty"):
        read({"audio_filepath": "a.wav"})
    with pytest.raises(InputError, match="expected a 'text' .*, found 5"):
        read(LINE | {"text": 5}, texts=False)
    with pytest.raises(InputError, match="line 1: marked as nonspeech, and yet it has a text: 'good day'"):
        read(LINE | {"nonspeech": True})


@pytest.mark.parametrize("name", ["offset", "duration"])
@pytest.mark.parametrize("value", [-1, -0.1, float("nan"), float("inf"), "1.5", [1], True])
def test_a_time_that_cannot_be(read, name, value):
    with pytest.raises(InputError, match=rf"line 1: expected '{name}' in seconds, found"):
        read(LINE | {name: value})


def test_ids_must_differ(read):
    with pytest.raises(InputError, match=r"some\.jsonl: the id 'a' stands on more than one line"):
        read(LINE, LINE | {"offset": 1.0}, LINE)


@pytest.mark.parametrize("lines", [[], ["", "  "]])
def test_a_manifest_without_utterances(read, lines):
    with pytest.raises(InputError, match=r"some\.jsonl: expected a manifest \(JSON lines\), found no utterance"):
        read(*lines)


def test_what_is_no_manifest_at_all(tmp_path):
    with pytest.raises(InputError, match="none.jsonl: expected a manifest, found no such file"):
        read_manifest(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="expected a manifest, found a directory"):
        read_manifest(tmp_path)
    (tmp_path / "latin.jsonl").write_bytes(json.dumps(LINE).replace("good", "größer").encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.jsonl: expected a manifest.*not UTF-8"):
        read_manifest(tmp_path / "latin.jsonl")
    with pytest.raises(InputError, match=r"a\.jsonl: expected a manifest: Not a directory"):
        read_manifest(tmp_path / "latin.jsonl" / "a.jsonl")
