"""Packages from the net: fetched whole and checked, or not at all. The server is one of our own."""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import RATE, tones

import speechrnn
from speechrnn import package_cache
from speechrnn.errors import InputError
from speechrnn.package import read_package
from speechrnn.package_cache import cached, fetch, find_package, pack


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPEECHRNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Server(ThreadingHTTPServer):
    """Serves what is in `files`, counts how often, and says of those in `longer` that they are longer than they are."""

    def __init__(self):
        self.files, self.longer, self.asked = {}, {}, []
        super().__init__(("127.0.0.1", 0), Handler)

    def address(self, name, contents, checksum=None):
        self.files[f"/{name}"] = contents
        checksum = checksum or hashlib.sha256(contents).hexdigest()
        return f"http://127.0.0.1:{self.server_port}/{name}#sha256={checksum}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        contents = self.server.files.get(self.path)
        if contents is None:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(self.server.longer.get(self.path, len(contents))))
        self.end_headers()
        self.wfile.write(contents)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def packed(package_dir, tmp_path_factory):
    """The tone package as .tar.gz."""
    archive = tmp_path_factory.mktemp("archives") / "tones.tar.gz"
    assert pack(package_dir, archive) == hashlib.sha256(archive.read_bytes()).hexdigest()
    return archive.read_bytes()


def contents_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_package_is_fetched_once_and_known_by_its_name(server, packed, package_dir, cache):
    address = server.address("fine-tones.tar.gz", packed)
    heard = []
    folder = fetch(address, lambda done, total: heard.append((done, total)))
    assert heard[-1] == (len(packed), len(packed))
    assert folder == cache / "fine-tones" == find_package("fine-tones") == find_package(address)
    assert server.asked == ["/fine-tones.tar.gz"] and cached() == ["fine-tones"]
    record = json.loads((folder / "fetched.json").read_text())
    assert record == {"url": address.partition("#")[0], "sha256": address[-64:]}
    found = contents_of(folder)
    del found["fetched.json"]
    assert found == contents_of(package_dir)
    assert speechrnn.load("fine-tones").transcribe(tones("at home"), RATE).text == "at home"
    assert os.listdir(cache) == ["fine-tones"]


@pytest.mark.parametrize("top", ["", "./", "some name/"])
def test_archives_with_a_folder_or_without(server, package_dir, top):
    files = [(top + name, contents) for name, contents in contents_of(package_dir).items()]
    folder = fetch(server.address("tones.tgz", tar_of(*files)))
    assert read_package(folder).name == "tones" and cached() == ["tones"]


def test_a_package_with_a_language_model_and_a_file_address(package_dir, tmp_path):
    (tmp_path / "own").mkdir()
    for name, contents in contents_of(package_dir).items():
        (tmp_path / "own" / name).write_bytes(contents)
    (tmp_path / "own" / "lm").mkdir()
    (tmp_path / "own" / "lm" / "ngram.lm").write_bytes(b"counts")
    checksum = pack(tmp_path / "own", tmp_path / "own.tar.gz")
    folder = fetch(f"{(tmp_path / 'own.tar.gz').as_uri()}#sha256={checksum.upper()}")
    assert (folder / "lm" / "ngram.lm").read_bytes() == b"counts"
    assert pack(folder, tmp_path / "own.tar.gz") == checksum  # the same bytes, without the record of where it came from


@pytest.mark.parametrize(
    "address, message",
    [
        ("http://example.org/a.tar.gz#sha256=" + "0" * 64, "expected an https address, found http"),
        ("ftp://example.org/a.tar.gz#sha256=" + "0" * 64, "expected an https address, found ftp"),
        ("https://example.org/a.tar.gz", "#sha256= and 64 hexadecimal digits at its end, found 'none': .*models pack"),
        ("https://example.org/a.tar.gz#sha256=12", "found 'sha256=12'"),
        ("https://example.org/a.tar.gz#md5=" + "0" * 64, "expected #sha256="),
        ("https://example.org/a.zip#sha256=" + "0" * 64, "found 'a.zip'"),
        ("https://example.org/.tar.gz#sha256=" + "0" * 64, "found '.tar.gz'"),
        ("https://example.org/..%2Fa.tar.gz#sha256=" + "0" * 64, "found '../a.tar.gz'"),
        ("https://example.org/..tar.gz#sha256=" + "0" * 64, "found '..tar.gz'"),
        ("https://example.org/#sha256=" + "0" * 64, "found ''"),
        ("https://[1/a.tgz#sha256=" + "0" * 64, "expected an address"),
        ("file:///nowhere/a.tgz#sha256=" + "0" * 64, "cannot be fetched: .*No such file"),
        ("http://localhost:1/a.tgz#sha256=" + "0" * 64, "cannot be fetched: .*refused"),
    ],
)
def test_addresses_that_are_none(address, message, cache):
    with pytest.raises(InputError, match=message) as error:
        find_package(address)
    assert "\n" not in str(error.value)
    assert cached() == [] and (not cache.exists() or os.listdir(cache) == [])


def test_what_is_not_what_was_published(server, packed, cache):
    cut = packed[: len(packed) // 2]
    for address, message in [
        (server.address("changed.tar.gz", packed, "0" * 64), r"expected the SHA-256 0{64}, found \w{64}"),
        (server.address("cut.tar.gz", cut, hashlib.sha256(packed).hexdigest()), "expected the SHA-256"),
        (server.address("ended.tar.gz", cut), rf"ended after {len(cut)} of {len(packed)} bytes|cannot be fetched"),
        (server.address("absent.tar.gz", packed).replace("absent", "nothing"), "HTTP 404"),
        (server.address("huge.tar.gz", packed), "expected at most 4 GiB"),
    ]:
        server.longer = {"/ended.tar.gz": len(packed), "/huge.tar.gz": 1 << 40}
        with pytest.raises(InputError, match=message):
            fetch(address)
        assert os.listdir(cache) == []


def test_a_name_stands_for_one_package(server, packed, package_dir, cache):
    fetch(server.address("tones.tar.gz", packed))
    before = contents_of(cache / "tones")
    with pytest.raises(
        InputError, match=r"tones: another package of this name is there already .*: delete .*tones first"
    ):
        fetch(server.address("tones.tar.gz", tar_of(*contents_of(package_dir).items())))
    with pytest.raises(InputError, match="'an4' is the name of a bundled package"):
        fetch(server.address("an4.tar.gz", packed))
    assert contents_of(cache / "tones") == before
    (cache / "tones" / "fetched.json").unlink()  # something else stands there
    with pytest.raises(InputError, match="sha256 unknown"):
        fetch(server.address("tones.tar.gz", packed))


def test_a_name_goes_before_a_folder(server, packed, package_dir, tmp_path, monkeypatch):
    fetch(server.address("tones.tar.gz", packed))
    (tmp_path / "tones").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_package("tones") == tmp_path / "cache" / "tones"
    assert os.path.samefile(find_package("./tones"), tmp_path / "tones")
    shutil.copytree(package_dir, tmp_path / "tones", dirs_exist_ok=True)
    with pytest.raises(InputError, match=r"a fetched one and the folder tones here: write \./tones for the folder"):
        find_package("tones")
    with pytest.raises(InputError, match=r"bundled name \(an4, english\), a fetched one \(tones\), found neither"):
        find_package("tone")


def test_several_at_once_fetch_one_package(server, packed, cache):
    address = server.address("tones.tar.gz", packed)
    folders, threads = [], []
    for _ in range(6):
        threads.append(threading.Thread(target=lambda: folders.append(fetch(address))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert folders == [cache / "tones"] * 6 and os.listdir(cache) == ["tones"]


def tar_of(*members):
    """A .tar.gz of (name, contents or a tarfile type with its link's target)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, contents in members:
            member = tarfile.TarInfo(name)
            if isinstance(contents, bytes):
                member.size = len(contents)
                archive.addfile(member, io.BytesIO(contents))
            else:
                member.type, member.linkname = contents
                archive.addfile(member)
    return buffer.getvalue()


def test_archives_that_mean_harm_write_nothing_elsewhere(server, package_dir, cache, tmp_path):
    good = list(contents_of(package_dir).items())
    evil = {
        "up": [*good, ("../up.txt", b"x")],
        "far": [*good, ("a/../../../../up.txt", b"x")],
        "symlink": [("lm", (tarfile.SYMTYPE, str(tmp_path))), ("lm/up.txt", b"x"), *good],
        "hardlink": [("lm", (tarfile.LNKTYPE, "/etc/passwd")), *good],
        "device": [("lm", (tarfile.CHRTYPE, "")), *good],
        "pipe": [("lm", (tarfile.FIFOTYPE, "")), *good],
        "below": [*good, (good[0][0] + "/x", b"x")],
        "many": [*good, *((f"{i}", b"") for i in range(200))],
    }
    for name, members in evil.items():
        with pytest.raises(
            InputError, match="outside the destination|expected plain files|found a damaged one|at most 100"
        ):
            fetch(server.address(f"{name}.tar.gz", tar_of(*members)))
        assert os.listdir(cache) == []
    rooted = tar_of(*good, (str(tmp_path / "up.txt"), b"x"))  # its slash is left out
    package = fetch(server.address("root.tar.gz", rooted))
    assert (package / str(tmp_path)[1:] / "up.txt").is_file()
    assert sorted(os.listdir(tmp_path)) == ["cache"]


def test_an_archive_that_swells_is_stopped(server, cache, monkeypatch):
    monkeypatch.setattr(package_cache, "LARGEST", 5 << 20)
    swelling = tar_of(("model.onnx", bytes(6 << 20)))
    assert len(swelling) < 1 << 20
    with pytest.raises(InputError, match="GiB in the archive, found more"):
        fetch(server.address("swelling.tar.gz", swelling))
    assert os.listdir(cache) == []


def test_archives_that_hold_no_package(server, packed, package_dir, cache):
    description = json.loads((package_dir / "model.json").read_text()) | {"format": 99}
    newer = contents_of(package_dir) | {"model.json": json.dumps(description).encode()}
    for name, contents, message in [
        (
            "other.tar.gz",
            tar_of(("thesis/thesis.tex", b"years")),
            "not a model package: other: expected a model package",
        ),
        ("empty.tar.gz", tar_of(), "not a model package"),
        ("newer.tar.gz", tar_of(*newer.items()), "newer/model.json: format 99: this speechrnn reads up to"),
        ("text.tar.gz", b"<html>moved</html>", "expected an archive, found a damaged one"),
        ("cut.tar.gz", packed[: len(packed) // 2], "expected an archive, found a damaged one"),
        ("junk.tar.gz", gzip.compress(b"no tar" * 1000), "expected an archive, found a damaged one"),
    ]:
        with pytest.raises(InputError, match=message) as error:
            fetch(server.address(name, contents))
        assert str(cache) not in str(error.value)
        assert os.listdir(cache) == []


def test_the_cache_is_where_it_is_said_to_be(monkeypatch, tmp_path):
    assert package_cache.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("SPEECHRNN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert package_cache.cache_folder() == tmp_path / "xdg" / "speechrnn"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert package_cache.cache_folder() == tmp_path / ".cache" / "speechrnn"
