"""Recordings of phones, and video, through the program ffmpeg."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from speechrnn.audio import read_audio, seconds_of
from speechrnn.errors import InputError

EXAMPLE = Path(__file__).parents[2] / "examples" / "letters.wav"
pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg")


def converted(folder, suffix, *options):
    path = folder / f"talk{suffix}"
    subprocess.run(["ffmpeg", "-v", "error", "-i", EXAMPLE, *options, path], check=True)
    return path


@pytest.mark.parametrize("suffix", [".m4a", ".mp4", ".mov", ".mkv", ".webm", ".wma", ".aac", ".ts"])
def test_foreign_formats_are_read(tmp_path, suffix):
    path = converted(tmp_path, suffix)
    own, read = read_audio(EXAMPLE, 16_000), read_audio(path, 16_000)
    assert len(read) == pytest.approx(len(own), abs=3000) and seconds_of(path) == pytest.approx(
        len(read) / 16_000, abs=0.01
    )
    ours, theirs = (np.abs(np.fft.rfft(sound, 1 << 18)) for sound in (own, read))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.8
    with open(path, "rb") as file:
        np.testing.assert_array_equal(read_audio(file, 16_000, offset=0.5), read_audio(path, 16_000, offset=0.5))


def test_what_cannot_be_decoded_is_named(tmp_path, monkeypatch, capfd):
    path = converted(tmp_path, ".m4a")
    (tmp_path / "cut.m4a").write_bytes(path.read_bytes()[:4000])
    with pytest.raises(
        InputError, match=r"cut.m4a: MP4 or QuickTime of which ffmpeg decodes no sound \(moov atom not found\)"
    ):
        read_audio(tmp_path / "cut.m4a", 16_000)
    film = converted(tmp_path, ".mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(film[: len(film) // 2])
    with pytest.warns(UserWarning, match=r"cut.mkv: damaged: \d+\.\d\d s of it were read \(ffmpeg: .+\)"):
        read_audio(tmp_path / "cut.mkv", 16_000)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"talk.m4a: MP4 or QuickTime is decoded by the program ffmpeg.*: install it"):
        read_audio(path, 16_000)
    assert capfd.readouterr() == ("", "")
