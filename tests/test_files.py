"""Files: what readers say of what they cannot read, and files and folders that are written whole."""

import os

import pytest

from speechrnn.errors import InputError
from speechrnn.files import atomic_file, read_json, read_json_lines, read_text, replacing, write_atomically


def test_a_text_with_a_byte_order_mark_and_its_line_ends_as_they_are(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    assert read_text(tmp_path / "a.txt", "a text") == "one\r\ntwo\n"


@pytest.mark.parametrize(
    "name, contents, message",
    [
        ("none.txt", None, "expected a text, found no such file; write one"),
        ("bytes.txt", b"one\n\nt\xe9o\n", "expected a text, found the byte 0xe9 on line 3, which is not UTF-8"),
        (".", None, "expected a text: "),
        ("null\0.txt", None, "expected a text: "),
    ],
)
def test_a_text_that_cannot_be_read_is_named(tmp_path, name, contents, message):
    path = os.path.join(tmp_path, name)
    if contents is not None:
        write_atomically(path, contents)
    with pytest.raises(InputError) as error:
        read_text(path, "a text", "; write one")
    assert str(error.value).startswith(f"{path}: {message}")


def test_json_lines_with_the_place_of_each(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "x\u2028y"}\n\n  {"b": 1}\r\n', encoding="utf-8")
    assert [(line.where, line.fields) for line in read_json_lines(path, "rows")] == [
        (f"{path}, line 1", {"a": "x\u2028y"}),
        (f"{path}, line 3", {"b": 1}),
    ]


@pytest.mark.parametrize("line", ["one", "[1]", "{", "1" * 5000, "[" * 100000])
def test_a_line_that_is_no_object_is_named(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"a": 1}}\n{line}\n')
    with pytest.raises(InputError) as error:
        list(read_json_lines(path, "rows", line_is="a row"))
    assert str(error.value).startswith(f"{path}, line 2: expected a row, found {line[:60]!r}")


def test_json_that_is_none(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match=r"a\.json: expected JSON: "):
        read_json(tmp_path / "a.json")


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "folder"
    for name in ("one", "two"):
        with replacing(folder) as partial:
            partial.mkdir()
            write_atomically(partial / name, name)
    with pytest.raises(RuntimeError), replacing(folder) as partial:
        partial.mkdir()
        write_atomically(partial / "three", "three")
        raise RuntimeError
    assert os.listdir(folder) == ["two"] and os.listdir(tmp_path) == ["folder"]


def test_a_failure_while_writing_leaves_the_old_file(tmp_path):
    write_atomically(tmp_path / "file", "old")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "file") as file:
        file.write(b"new")
        raise RuntimeError
    assert (tmp_path / "file").read_text() == "old" and os.listdir(tmp_path) == ["file"]
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_text() == "new" and os.listdir(tmp_path) == ["file"]


def test_a_full_disk_names_the_file(tmp_path):
    with pytest.raises(OSError) as caught, atomic_file(tmp_path / "file"):
        raise OSError(28, "No space left on device")
    assert (caught.value.errno, caught.value.filename) == (28, str(tmp_path / "file"))
    with pytest.raises(OSError) as caught, atomic_file(tmp_path / "file"):
        raise OSError("something else")
    assert caught.value.filename is None and not os.listdir(tmp_path)


def test_a_name_of_255_bytes(tmp_path):
    write_atomically(tmp_path / ("ä" * 127), "new")
    assert os.listdir(tmp_path) == ["ä" * 127]


def test_a_link_stays_a_link_and_a_pipe_a_pipe(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(tmp_path / "pipe", "new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path, "new")
    assert sorted(os.listdir(tmp_path)) == ["file", "link", "pipe"]
