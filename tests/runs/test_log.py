"""JSON lines of a run: whole, cut off, broken in the middle; as rows, as columns, and when a run goes on."""

import json

import numpy as np
import pytest

from speechrnn.errors import InputError
from speechrnn.runs.log import keep_rows, read_log, read_rows

CUT_OFF = ['{"step": 3, "lo', '{"text": "\u00e9'.encode()[:-1], b"\0\0\0\0"]
BROKEN = [b"{", b"7", b"[1]", b'{"text": "\xff"}', b'{"a": 1}{"b": 2}', b"\0\0", b"[" * 200_000, b"1" * 5000]


def write(path, *lines):
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return path


@pytest.mark.parametrize("end", ["", *CUT_OFF], ids=repr)
def test_a_last_line_that_was_cut_off_is_left_out(tmp_path, end):
    path = write(tmp_path / "log.jsonl", '{"step": 1}', "", '{"step": 2, "text": "\u00e9"}', end)
    assert read_rows(path) == [{"step": 1}, {"step": 2, "text": "\u00e9"}]


def test_a_last_line_that_lacks_only_its_end_is_whole(tmp_path):
    assert read_rows(write(tmp_path / "log.jsonl", '{"step": 1}', '{"step": 2}')) == [{"step": 1}, {"step": 2}]


def test_there_are_no_rows_where_there_is_no_file(tmp_path):
    assert read_rows(tmp_path / "log.jsonl") == []
    updates, epochs = read_log(tmp_path / "log.jsonl")
    assert len(updates["step"]) == len(epochs["step"]) == 0


@pytest.mark.parametrize("line", BROKEN, ids=lambda line: repr(line[:20]))
def test_a_broken_line_in_the_middle_is_named(tmp_path, line):
    path = write(tmp_path / "log.jsonl", '{"step": 1}', line, '{"step": 2}', "")
    for read in (read_rows, read_log):
        with pytest.raises(InputError) as error:
            read(path)
        assert str(error.value).startswith(f"{path}, line 2: expected a JSON object, found ")
        assert "\n" not in str(error.value) and len(str(error.value)) < 200 + len(str(path))


def test_what_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(InputError, match="expected JSON lines"):
        read_rows(tmp_path)


@pytest.mark.parametrize(
    "line", [*BROKEN, b"{}", b'{"step": null}', b'{"step": "two"}'], ids=lambda line: repr(line[:20])
)
def test_a_run_that_goes_on_drops_a_broken_line_and_nothing_else(tmp_path, capsys, line):
    kept = [json.dumps({"step": step, "text": "\u00e9", "loss": 1 / step}, ensure_ascii=False) for step in (1, 2)]
    path = write(tmp_path / "log.jsonl", kept[0], line, kept[1], '{"step": 3}', "")
    keep_rows(path, lambda row: row["step"] <= 2)
    assert path.read_text(encoding="utf-8") == "".join(line + "\n" for line in kept)
    assert capsys.readouterr().err == f"{path}: cannot be read, and is dropped: line 2\n"


@pytest.mark.parametrize("end", ["", '{"step": 2}', *CUT_OFF], ids=repr)
def test_what_is_added_begins_a_line(tmp_path, capsys, end):
    path = write(tmp_path / "log.jsonl", '{"step": 1}', end)
    keep_rows(path, lambda row: row["step"] <= 2)
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"step": 9}\n')
    assert [row["step"] for row in read_rows(path)] in ([1, 9], [1, 2, 9])
    assert capsys.readouterr().err == ""


def test_nothing_is_made_of_no_file(tmp_path):
    keep_rows(tmp_path / "log.jsonl", lambda row: True)
    assert list(tmp_path.iterdir()) == []


def test_rows_become_columns(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1, "loss": 3.5}\n{"step": 2, "loss": null}\n{"step": 2, "train_loss": 4}\n{"step": 3, "lo')
    updates, epochs = read_log(log)
    np.testing.assert_array_equal(updates["step"], [1, 2])
    np.testing.assert_array_equal(updates["loss"], [3.5, np.nan])
    np.testing.assert_array_equal(epochs["train_loss"], [4])
