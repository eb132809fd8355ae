"""recipes/librispeech: the download from servers that behave and that do not, and every step of run.sh on a tiny corpus."""

import hashlib
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.recipe
ROOT = Path(__file__).parent.parent
RECIPE = ROOT / "recipes" / "librispeech"
# download.py as it is, but with the archives and the servers of a test, and without waiting between tries
TABLES = """
import json, sys
sys.path.insert(0, {recipe!r})
import download
tables = json.load(open({tables!r}))
download.ARCHIVES = {{name: download.Archive(*archive) for name, archive in tables["archives"].items()}}
download.MIRRORS, download.BACKOFF = tables["mirrors"], 0
sys.exit(download.main())
"""


def archive(subset: str, recordings: dict[str, bytes]) -> bytes:
    """A subset as the publisher packs it. `recordings`: the bytes of each, by id."""
    files = {"LibriSpeech/SPEAKERS.TXT": b"19 | F | train-clean-5 | 9.55 | Denny Sayers\n"}
    for id, sound in recordings.items():
        reader, chapter, _ = id.split("-")
        folder = f"LibriSpeech/{subset}/{reader}/{chapter}"
        files[f"{folder}/{id}.flac"] = sound
        transcripts = f"{folder}/{reader}-{chapter}.trans.txt"
        files[transcripts] = files.get(transcripts, b"") + f"{id} GO DO YOU SEE\n".encode()
    return packed(files)


def packed(files: dict[str, bytes]) -> bytes:
    contents = io.BytesIO()
    with tarfile.open(fileobj=contents, mode="w:gz", compresslevel=1) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return contents.getvalue()


RECORDINGS = {f"19-198-{n:04}": np.random.default_rng(n).bytes(60_000) for n in range(5)}
WHOLE = archive("train-clean-5", RECORDINGS)
HALF = len(WHOLE) // 2


class Server(ThreadingHTTPServer):
    """Serves `files`; each request is noted with its range. How it misbehaves, its attributes say."""

    def __init__(self, files: dict[str, bytes]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requests = files, []
        self.ranges = True  # whether it can begin in the middle
        self.ends_after = []  # the bytes after which it ends the connection, request by request
        self.stalls_after = None  # the bytes after which it says nothing more, once
        self.page = self.status = None  # what it answers to everything
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.requests.append((self.path.lstrip("/"), asked))
        if server.status:
            return self.send_error(server.status)
        data = server.page or server.files[self.path.lstrip("/")]
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges and not server.page else 0
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        end = begin + server.ends_after.pop(0) if server.ends_after else len(data)
        if server.stalls_after:
            self.wfile.write(data[: server.stalls_after])
            begin, server.stalls_after = server.stalls_after, None
            time.sleep(20)
        self.wfile.write(data[begin:end])

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(files=None) -> Server:
        server = Server(files or {"31/train-clean-5.tar.gz": WHOLE})
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def script(folder: Path, servers: list[Server], recipe: Path = RECIPE, **differs) -> Path:
    """download.py for the archives of these servers; `differs` from what they are."""
    archives = {}
    for path, data in servers[0].files.items():
        facts = {"path": path, "bytes": len(data), "md5": hashlib.md5(data).hexdigest(), "recordings": len(RECORDINGS)}
        archives[Path(path).name.removesuffix(".tar.gz")] = list((facts | differs).values())
    mirrors = dict(zip(("openslr", "us", "eu", "cn"), (server.url for server in servers), strict=False))
    tables, path = folder / "tables.json", folder / "tiny_download.py"
    tables.write_text(json.dumps({"archives": archives, "mirrors": mirrors}))
    path.write_text(TABLES.format(recipe=str(recipe), tables=str(tables)))
    return path


def download(path: Path, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, path, path.parent / "corpora", "train-clean-5"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20, **options)


def said(done: subprocess.CompletedProcess) -> str:
    """The one line of an error."""
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("download.py: ")]
    return line


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def is_whole(corpora: Path) -> bool:
    """Exactly the publisher's files are there, with their bytes, and nothing beside them."""
    subset = corpora / "LibriSpeech" / "train-clean-5" / "19" / "198"
    names = [*(f"19/198/{id}.flac" for id in RECORDINGS), "19/198/19-198.trans.txt"]
    assert files(corpora / "LibriSpeech") == ["SPEAKERS.TXT", *(f"train-clean-5/{name}" for name in names)]
    assert [path.name for path in corpora.iterdir()] == ["LibriSpeech"]
    return all((subset / f"{id}.flac").read_bytes() == sound for id, sound in RECORDINGS.items())


def test_fetches_checks_and_unpacks_and_leaves_alone_what_is_there(tmp_path, serve):
    server = serve()
    path = script(tmp_path, [server])
    assert download(path).returncode == 0 and is_whole(tmp_path / "corpora")
    assert server.requests == [("31/train-clean-5.tar.gz", None)]
    stamps = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("corpora/**/*"))]
    assert download(path).returncode == 0 and len(server.requests) == 1
    assert stamps == [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("corpora/**/*"))]


def test_a_lost_connection_goes_on_where_it_was_lost_also_from_a_mirror(tmp_path, serve):
    shaky, down, mirror = serve(), serve(), serve()
    shaky.ends_after, down.status, mirror.ends_after = [HALF, 1000, 0], 503, [5000]
    done = download(script(tmp_path, [shaky, down, mirror]))
    assert done.returncode == 0 and is_whole(tmp_path / "corpora")
    begins = [f"bytes={HALF}-", f"bytes={HALF + 1000}-", f"bytes={HALF + 1000}-", f"bytes={HALF + 6000}-"]
    asked = [range for server in (shaky, mirror) for _, range in server.requests]
    assert asked == [None, *begins]
    assert f"the connection ended after {HALF:,} of {len(WHOLE):,} bytes" in done.stderr and "HTTP 503" in done.stderr


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_download_goes_on(tmp_path, serve, how):
    server = serve()
    server.stalls_after = HALF
    path, part = script(tmp_path, [server]), tmp_path / "corpora" / "train-clean-5.tar.gz.part"
    command = [sys.executable, path, tmp_path / "corpora", "train-clean-5"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not part.exists() or part.stat().st_size < HALF:
            assert process.poll() is None
            time.sleep(0.01)
        assert "another process fetches into it" in said(download(path))
        process.send_signal(how)
        err = process.communicate()[1]
    if how == signal.SIGINT:
        assert process.returncode == 130 and "Traceback" not in err
        assert err.splitlines()[-1].startswith("download.py: interrupted")
    assert download(path).returncode == 0 and is_whole(tmp_path / "corpora")
    assert server.requests[1:] == [("31/train-clean-5.tar.gz", f"bytes={HALF}-")]


def test_a_server_that_cannot_begin_in_the_middle_is_read_from_the_start(tmp_path, serve):
    server = serve()
    server.ranges, server.ends_after = False, [HALF]
    assert download(script(tmp_path, [server])).returncode == 0
    assert [range for _, range in server.requests] == [None, f"bytes={HALF}-"]
    assert is_whole(tmp_path / "corpora")


def test_a_page_in_place_of_the_archive_does_not_cost_what_is_there(tmp_path, serve):
    portal, mirror = serve(), serve()
    portal.page = b"<html>Please log in</html>"
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "train-clean-5.tar.gz.part").write_bytes(WHOLE[:HALF])
    done = download(script(tmp_path, [portal, mirror]))
    assert done.returncode == 0 and "found 26" in done.stderr
    assert mirror.requests == [("31/train-clean-5.tar.gz", f"bytes={HALF}-")]
    assert is_whole(tmp_path / "corpora")


def test_gives_up_after_eight_tries_without_a_byte_and_keeps_what_it_has(tmp_path, serve):
    server = serve()
    server.ends_after = [HALF] + [0] * 20
    line = said(download(script(tmp_path, [server])))
    assert f"{HALF:,} of {len(WHOLE):,} bytes are in" in line and "goes on from there" in line
    assert len(server.requests) == 8
    assert files(tmp_path / "corpora") == ["train-clean-5.tar.gz.part"]


def test_a_wrong_sum_is_an_error_and_nothing_is_kept(tmp_path, serve):
    line = said(download(script(tmp_path, [serve()], md5="0" * 32)))
    assert f"expected the MD5 {'0' * 32}, found {hashlib.md5(WHOLE).hexdigest()}" in line
    assert files(tmp_path / "corpora") == []


@pytest.mark.parametrize(
    "contents, expected",
    [
        (WHOLE[:HALF], "found a damaged one"),
        (archive("train-clean-5", dict(list(RECORDINGS.items())[:4])), "expected 5 recordings"),
        (archive("dev-clean", RECORDINGS), "expected 5 recordings of train-clean-5 in it, found 0"),
        (packed({"../evil": b"!", "/evil": b"!"}), "found a damaged one"),
        (b"not an archive", "found a damaged one"),
    ],
)
def test_a_damaged_archive_is_not_unpacked_by_half(tmp_path, serve, contents, expected):
    server = serve({"31/train-clean-5.tar.gz": contents})
    assert expected in said(download(script(tmp_path, [server])))
    assert files(tmp_path) == sorted(["corpora/train-clean-5.tar.gz.part", "tables.json", "tiny_download.py"])
    assert not (tmp_path / "corpora" / "LibriSpeech").exists()


@pytest.mark.parametrize("at", ["train-clean-5.unpacking/LibriSpeech", "LibriSpeech"])
def test_half_a_subset_is_not_taken_for_complete(tmp_path, serve, at):
    """One is of an unpacking of ours that was killed, the other of somebody else."""
    server, corpora = serve(), tmp_path / "corpora"
    (corpora / at / "train-clean-5" / "19" / "198").mkdir(parents=True)
    (corpora / at / "train-clean-5" / "19" / "198" / "19-198-0009.flac").write_bytes(b"half")
    (corpora / "train-clean-5.tar.gz.part").write_bytes(WHOLE)
    done = download(script(tmp_path, [server]))
    assert server.requests == []
    if at == "LibriSpeech":
        assert "expected 5 recordings, found 1: move it away" in said(done)
    else:
        assert done.returncode == 0 and is_whole(corpora)


def test_an_archive_that_is_there_is_taken_and_kept(tmp_path, serve):
    server, given = serve(), tmp_path / "corpora" / "train-clean-5.tar.gz"
    given.parent.mkdir()
    given.write_bytes(WHOLE[:HALF])
    path = script(tmp_path, [server])
    assert "or call it .tar.gz.part if it is the beginning" in said(download(path))
    given.write_bytes(WHOLE)
    assert download(path).returncode == 0 and server.requests == []
    assert given.read_bytes() == WHOLE
    given.unlink()
    assert is_whole(tmp_path / "corpora")


def test_too_little_space_is_said_before_and_a_full_disk_in_one_line(tmp_path, serve):
    server = serve()
    assert "GB of free space for train-clean-5" in said(download(script(tmp_path, [server], bytes=10**16)))
    assert server.requests == []
    full = download(  # what a disk of 100 kB would do
        script(tmp_path, [server]), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    )
    assert "File too large" in said(full)
    assert files(tmp_path / "corpora") == ["train-clean-5.tar.gz.part"]


def test_wrong_usage_is_status_2(tmp_path):
    for arguments in ([], [tmp_path], [tmp_path, "train-clean-7"], [tmp_path, "dev-clean", "--mirror", "mars"]):
        done = subprocess.run([sys.executable, RECIPE / "download.py", *arguments], capture_output=True, check=False)
        assert done.returncode == 2


@pytest.fixture
def project(tmp_path):
    """The recipe in a folder of its own."""
    shutil.copytree(RECIPE, tmp_path / "recipes" / "librispeech", ignore=shutil.ignore_patterns("[Rr]esults*", "__*"))
    (tmp_path / "conf").mkdir()
    shutil.copy(ROOT / "conf" / "librispeech.yaml", tmp_path / "conf")
    return tmp_path


def run(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    outer = {name: os.environ[name] for name in os.environ.keys() - {"TRAIN", "LIBRISPEECH", "MIRROR", "LM", "SEEDS"}}
    outer["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [project / "recipes" / "librispeech" / "run.sh", *arguments]
    return subprocess.run(command, env=outer | variables, cwd=project, capture_output=True, text=True, check=False)


def tiny_librispeech() -> dict[str, bytes]:
    """Archives of each subset that the recipe needs: noise, which nothing can be learnt from."""
    sound, archives = io.BytesIO(), {}
    soundfile.write(sound, np.random.default_rng(0).normal(0, 0.1, 16000), 16000, format="FLAC")
    for reader, path in enumerate(("12/dev-clean", "12/test-clean", "12/test-other", "31/train-clean-5")):
        recordings = {f"{reader}-{chapter}-0000": sound.getvalue() for chapter in range(2)}
        archives[f"{path}.tar.gz"] = archive(Path(path).name, recordings)
    return archives


def test_end_to_end_with_a_download_and_a_language_model(project, serve):
    recipe = project / "recipes" / "librispeech"
    (project / "own").mkdir()
    shutil.move(recipe / "download.py", project / "own")
    server = serve(tiny_librispeech())
    script(project, [server], recipe=project / "own", recordings=2).rename(recipe / "download.py")
    (project / "texts.txt").write_text("go do you hear\ndo you see\ngo see\n" * 5)
    tiny = ("optimiser.epochs=1", "model.hidden=8", "model.layers=1", "model.channels=2")
    done = run(project, *tiny, TRAIN="train-clean-5", LM="texts.txt")
    assert done.returncode == 0, done.stderr
    assert sorted(path for path, _ in server.requests) == sorted(server.files)
    rows = [json.loads(line) for line in (recipe / "results.jsonl").read_text().splitlines()]
    assert [(row["manifest"], row["decoding"] == "greedy") for row in rows] == [
        (f"librispeech/{name}.jsonl", is_greedy) for is_greedy in (True, False) for name in ("test-clean", "test-other")
    ]
    assert {row["words"]["reference"] for row in rows} == {8}
    assert all(row["data"] == ["train-clean-5.jsonl"] for row in rows)
    assert "LM texts.txt" in (recipe / "RESULTS.md").read_text()
    package = project / "runs" / "librispeech" / "train-clean-5" / "seed1" / "package"
    assert (package / "lm" / "ngram.lm").exists() and "CC BY 4.0" in (package / "MODEL_CARD.md").read_text()


def test_what_is_missing_is_said_before_the_training(project, serve):
    for subset in ("dev-clean", "test-clean", "train-clean-100"):
        (project / "copy" / "LibriSpeech" / subset).mkdir(parents=True)
    for variables, expected in (
        ({}, f"run.sh: {project}/copy: expected the subset test-other in it"),
        ({"LM": "nowhere.arpa"}, f"run.sh: LM={project}/nowhere.arpa: expected a language model or a text"),
    ):
        done = run(project, LIBRISPEECH="copy", **variables)
        assert done.returncode == 1 and done.stderr.startswith(expected) and done.stderr.count("\n") == 1
