"""What the command line is like in a shell: help, version, completion, a terminal, and how much it says."""

import os
import pty
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import soundfile
from conftest import RATE, tones

from speechrnn.cli import COMMANDS, main
from speechrnn.writers import FORMATS


def speechrnn(*arguments, **keywords):
    return subprocess.run([sys.executable, "-m", "speechrnn", *arguments], capture_output=True, text=True, **keywords)


def test_version_names_what_it_runs_on():
    from importlib.metadata import version

    lines = speechrnn("--version").stdout.splitlines()
    assert lines[0] == f"speechrnn {version('speechrnn')}"
    assert lines[1].startswith(f"Python {sys.version.split()[0]} on ")
    assert {f"{name} {version(name)}" for name in ("onnxruntime", "numpy", "soundfile")} <= set(lines)
    assert "bundled models: an4" in lines[-1]


@pytest.mark.parametrize("arguments", [["--version"], ["transcribe", "--help"], ["completion", "--help"]])
def test_what_only_tells_imports_no_numpy(arguments):
    program = (
        "import sys\nfrom speechrnn.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        "sys.exit(bool({'numpy', 'onnxruntime', 'rich'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("command", ["transcribe", "align", "export", "models", "completion"])
def test_help_fits_80_columns(command):
    text = speechrnn(command, "--help", env=os.environ | {"COLUMNS": "80"}).stdout
    assert text and not [line for line in text.splitlines() if len(line) > 80]


def test_help_of_transcribe_names_every_format_and_shows_examples():
    text = speechrnn("transcribe", "--help", env=os.environ | {"COLUMNS": "80"}).stdout
    assert re.findall(r"^  (\w+) +\w", text.partition("\nformats:\n")[2], re.MULTILINE) == list(FORMATS)
    assert "speechrnn transcribe talk.wav" in text


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The path of each shell's script."""
    folder = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "fish"):
        done = speechrnn("completion", shell)
        assert (done.returncode, done.stderr) == (0, "")
        (folder / shell).write_text(done.stdout)
    return folder


def bash(scripts, *words):
    """What bash proposes for the last of the words, in a folder with a file and a folder."""
    program = (
        'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_speechrnn; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    folder = scripts / "here"
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "example.wav").touch()
    done = subprocess.run(
        ["bash", "-c", program, scripts / "bash", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return [each for each in done.stdout.splitlines() if each]


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes(scripts):
    assert bash(scripts, "speechrnn", "") == list(COMMANDS)
    assert bash(scripts, "speechrnn", "tr") == [name for name in COMMANDS if name.startswith("tr")]
    assert bash(scripts, "speechrnn", "transcribe", "--cha") == ["--channels"]
    assert bash(scripts, "speechrnn", "transcribe", "a.wav", "--channels", "") == ["mix", "each"]
    assert bash(scripts, "speechrnn", "transcribe", "-f", "") == list(FORMATS)
    assert bash(scripts, "speechrnn", "transcribe", "--format", "srt,v") == ["srt,vtt"]
    assert bash(scripts, "speechrnn", "align", "--model", "") == ["an4", "english", "models"]
    assert bash(scripts, "speechrnn", "lm", "b") == ["build"]
    assert "--order" in bash(scripts, "speechrnn", "lm", "build", "texts.txt", "--")
    assert bash(scripts, "speechrnn", "completion", "") == ["bash", "zsh", "fish"]
    assert bash(scripts, "speechrnn", "transcribe", "exam") == ["example.wav"]
    assert set(bash(scripts, "speechrnn", "transcribe", "a.wav", "-o", "")) == {"example.wav", "models"}


@pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh")
def test_zsh_reads_its_script(scripts):
    program = "autoload -U compinit; compinit -D -u; source $1; print $_comps[speechrnn]"
    done = subprocess.run(["zsh", "-f", "-c", program, "zsh", scripts / "zsh"], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("_speechrnn\n", "")


@pytest.mark.skipif(not shutil.which("fish"), reason="needs fish")
def test_fish_completes(scripts):
    def proposed(line):
        program = f"source {scripts / 'fish'}; complete -C '{line}'"
        done = subprocess.run(["fish", "--no-config", "-c", program], capture_output=True, text=True, check=True)
        return [each.split("\t")[0] for each in done.stdout.splitlines()]

    assert proposed("speechrnn tr") == sorted(name for name in COMMANDS if name.startswith("tr"))
    assert sorted(proposed("speechrnn transcribe --format ")) == sorted(FORMATS)
    assert proposed("speechrnn lm b") == ["build"]
    assert proposed("speechrnn lm build --ord") == ["--order"]


@pytest.fixture
def recordings(tmp_path):
    for n in range(3):
        soundfile.write(tmp_path / f"{n}.wav", tones("abc"), RATE)
    return tmp_path


def on_terminal(package_dir, folder, *options, **environment):
    """The command with a terminal as stderr, the bar wanted at once. Returns stdout and what the terminal gets."""
    start = "import sys; import speechrnn.cli.transcribe.report as r; r.AT_FIRST = r.EVERY = 0.0;"
    start += "from speechrnn.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["transcribe", "--model", package_dir, "--threads", "1", folder, *options]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", start, *arguments],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"} | environment,
    )
    os.close(theirs)
    out = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 0
    shown = b""
    try:
        while block := os.read(ours, 1 << 16):
            shown += block
    except OSError:  # how Linux tells that the other side is closed
        pass
    os.close(ours)
    return out, shown.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_bar_only_on_a_terminal(package_dir, recordings):
    expected = "".join(f"{recordings / f'{n}.wav'}\tabc\n" for n in range(3))
    out, shown = on_terminal(package_dir, recordings)
    assert out == expected
    assert "3/3 files" in shown and "RTF" in shown and "\x1b[3" in shown
    assert shown.rstrip().splitlines()[-1].split("\x1b[2K")[-1].startswith("3 files, 1.8 s of audio in ")
    out, shown = on_terminal(package_dir, recordings, NO_COLOR="1")
    assert "3/3 files" in shown and not re.search(r"\x1b\[[0-9;]*m", shown.replace("\x1b[0m", ""))
    out, shown = on_terminal(package_dir, recordings, "--quiet")
    assert (out, shown) == (expected, "")
    done = speechrnn("transcribe", "--model", package_dir, "--threads", "1", recordings)
    assert done.stdout == expected
    assert re.fullmatch(r"3 files, 1\.8 s of audio in \d+\.\d s \(RTF \d\.\d{3}\)\n", done.stderr)


def test_how_much_is_said(package_dir, recordings, capsys):
    whole = (recordings / "2.wav").read_bytes()
    (recordings / "2.wav").write_bytes(whole[:9000])
    (recordings / "3.wav").write_bytes(b"")
    arguments = ["transcribe", "--model", str(package_dir), "--threads", "1", str(recordings)]

    def said(*options):
        assert main([*arguments, *options]) == 1
        return capsys.readouterr().err.splitlines()

    empty = f"speechrnn transcribe: {recordings / '3.wav'}: the file is empty"
    cut = f"speechrnn transcribe: warning: {recordings / '2.wav'}: its header states 0.60 s, it ends at 0.28 s"
    assert said("--quiet") == [empty]
    assert sorted(said())[1:] == sorted([empty, cut])
    assert sorted(said("--channels", "each"))[1:] == sorted([empty, cut])
    told = said("--verbose")
    assert {empty, cut} <= set(told) and told[0].startswith("speechrnn transcribe: model tones, greedy")
    assert f"speechrnn transcribe: {recordings / '0.wav'}: 0.6 s, 1 x, 1 words" in told


def test_ctrl_c_while_a_module_starts(monkeypatch, capsys):
    """What pybind11 makes of it."""
    import speechrnn.cli as cli

    def load(command):
        raise ImportError("initialization failed") from KeyboardInterrupt()

    monkeypatch.setattr(cli, "load", load)
    assert main(["transcribe", "a.wav"]) == 130
    assert capsys.readouterr().err == "speechrnn transcribe: interrupted\n"


@pytest.mark.parametrize(
    "error, told",
    [
        (
            ImportError("cannot import name '_C'", name="torch"),
            "torch: cannot be imported: cannot import name '_C': install it ",
        ),
        (OSError("libtorch.so: cannot open shared object file"), "libtorch.so: cannot open shared object file\n"),
        (OSError(28, "No space left on device"), "writing the output: No space left on device\n"),
    ],
)
def test_a_broken_library_is_not_taken_for_output_that_cannot_be_written(monkeypatch, capsys, error, told):
    import speechrnn.cli as cli

    def load(command):
        raise error

    monkeypatch.setattr(cli, "load", load)
    assert main(["train", "a.yaml"]) == 1
    assert capsys.readouterr().err.startswith(f"speechrnn train: {told}")


@pytest.mark.parametrize("closed, status", [(">&-", 1), ("2>&-", 0)])
def test_a_stream_that_is_closed_is_no_traceback(closed, status):
    command = f"{shlex.quote(sys.executable)} -m speechrnn models {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert ("found it closed" in done.stderr) == bool(status) and "Traceback" not in done.stderr
    assert ("an4" in done.stdout) == (not status)


def test_results_go_into_a_pipe_by_the_name_of_stdout(tmp_path):
    (tmp_path / "text").write_text("u1 a b\n")
    command = f"{shlex.quote(sys.executable)} -m speechrnn score text text --details /dev/stdout | cat"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert '{"id": "u1"' in done.stdout and "%WER 0.00" in done.stdout and not done.stderr
