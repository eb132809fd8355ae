"""Files whose headers are wrong or missing, and several streams in one file: all the samples are read."""

import io
import shutil
import struct
import subprocess
import warnings

import numpy as np
import pytest
import soundfile

from speechrnn.audio import read_audio, seconds_of
from speechrnn.batching.recordings import Raw, kept

RATE = 16_000
needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg")


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.4, 0.4, int(seconds * rate)).astype(np.float32)


def encoded(sound: np.ndarray, rate: int = RATE, **form) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound, rate, **({"format": "WAV"} | form))
    return file.getvalue()


def wav(data_size: int, samples: bytes, riff_size: int = 0, before: bytes = b"") -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    return (
        b"RIFF" + struct.pack("<I", riff_size) + b"WAVEfmt \x10\0\0\0" + form + before
        + b"data" + struct.pack("<I", data_size) + samples
    )  # fmt: skip


SOUND = noise(2.0)
SAMPLES = encoded(SOUND)[44:]


@pytest.mark.parametrize(
    ("contents", "stated"),
    [
        (wav(0, SAMPLES), "0.00"),
        (wav(0, SAMPLES[1000:]), "0.00"),
        (wav(0, b"\0" * 8000 + SAMPLES), "0.00"),
        (wav(len(SAMPLES), SAMPLES, before=b"data\0\0\0\0"), "0.00"),
        (wav(RATE, SAMPLES), "0.50"),
        (wav(RATE, SAMPLES, 36 + RATE), "0.50"),
        (wav(0, SAMPLES + b"LIST\x04\0\0\0INFO"), "0.00"),
    ],
)
def test_a_wav_file_that_was_never_closed_is_read_to_its_end(tmp_path, contents, stated):
    path = tmp_path / "open.wav"
    path.write_bytes(contents)
    seconds = (len(contents) - contents.rindex(b"data") - 8) / 2 / RATE
    with pytest.warns(UserWarning, match=rf"open.wav: its header states {stated} s, it ends at {seconds:.2f} s"):
        read = read_audio(path, RATE)
    assert len(read) == int(seconds * RATE) and seconds_of(path) == pytest.approx(seconds, abs=1e-3)
    with pytest.warns(UserWarning), open(path, "rb") as file:
        np.testing.assert_array_equal(read_audio(io.BytesIO(file.read()), RATE, offset=1.0), read[RATE:])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "rest", [b"", b"\0", b"\0" * 500, b"LIST\x04\0\0\0INFO", b"TAG" + bytes(125), b"ID3\x03\0\0\0\0\0\x05hello"]
)
def test_what_may_follow_the_samples_of_a_wav_file_is_no_sound(rest):
    assert len(read_audio(io.BytesIO(wav(len(SAMPLES), SAMPLES + rest)), RATE)) == 2 * RATE


def test_a_hundredth_of_a_second_is_no_difference():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_audio(io.BytesIO(encoded(SOUND)[:-300]), RATE)
        read_audio(io.BytesIO(wav(len(SAMPLES) - 300, SAMPLES)), RATE)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "form", [{}, {"format": "FLAC"}, {"format": "OGG"}, {"format": "OGG", "subtype": "OPUS"}, {"format": "MP3"}]
)
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_streams_one_after_another_are_all_read(tmp_path, form, rate):
    first, second = noise(1.5, 1), np.stack([noise(1.0, 2, rate), noise(1.0, 3, rate)], axis=1)
    parts = [encoded(first, **form), encoded(second, rate, **form)]
    path = tmp_path / "two"
    path.write_bytes(b"".join(parts))
    whole = np.concatenate([read_audio(io.BytesIO(part), RATE) for part in parts])
    read = read_audio(path, RATE)
    assert len(read) == pytest.approx(2.5 * RATE, abs=300) and len(read) == pytest.approx(len(whole), abs=2)
    np.testing.assert_allclose(read[:RATE], whole[:RATE], atol=1e-6)
    assert np.corrcoef(read[-RATE // 2 : -200], whole[-RATE // 2 : -200])[0, 1] > 0.95
    assert seconds_of(path) == pytest.approx(2.5, abs=0.03)
    assert len(read_audio(path, RATE, offset=1.0, duration=1.0)) == RATE
    np.testing.assert_allclose(
        read_audio(path, RATE, offset=2.0)[2000:5000], read[2 * RATE + 2000 : 2 * RATE + 5000], atol=0.1
    )


def vbr(tmp_path, *options: str) -> bytes:
    loud = np.concatenate([noise(2.0, rate=44_100), 0.01 * np.sin(np.arange(14 * 44_100) / 20)])
    soundfile.write(tmp_path / "sound.wav", loud, 44_100)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "sound.wav", *options, "-y", tmp_path / "sound.mp3"]
    subprocess.run(command, check=True)
    return (tmp_path / "sound.mp3").read_bytes()


@needs_ffmpeg
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "options", [["-q:a", "2", "-write_xing", "0"], ["-q:a", "2"], ["-b:a", "64k", "-id3v2_version", "0"]]
)
def test_an_mp3_file_is_as_long_as_its_frames(tmp_path, options):
    contents = vbr(tmp_path, *options)
    (tmp_path / "cut.mp3").write_bytes(contents)
    assert seconds_of(tmp_path / "cut.mp3") == pytest.approx(16.0, abs=0.08)
    assert len(read_audio(tmp_path / "cut.mp3", RATE)) == pytest.approx(16 * RATE, abs=0.08 * RATE)


@needs_ffmpeg
def test_a_damaged_mp3_file_is_read_on_behind_the_damage(tmp_path, capfd):
    contents = vbr(tmp_path, "-b:a", "64k")
    middle = len(contents) // 2
    damaged = contents[:middle] + np.random.default_rng(5).bytes(3000) + contents[middle + 3000 :]
    with pytest.warns(
        UserWarning, match=r"damaged: \d+ bytes within it are no audio; the 15\.\d+ s around them were read"
    ):
        assert len(read_audio(io.BytesIO(damaged), RATE)) == pytest.approx(15.6 * RATE, abs=0.3 * RATE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ripped = contents[len(contents) // 4 + 77 :]
        assert len(read_audio(io.BytesIO(ripped), RATE)) == pytest.approx(12 * RATE, abs=0.2 * RATE)
    assert capfd.readouterr() == ("", "")


def test_a_stretch_of_gsm_is_decoded_from_the_start():
    contents = encoded(noise(3.0, rate=8000), 8000, subtype="GSM610")
    whole = read_audio(io.BytesIO(contents), 8000)
    for offset in (0.5, 2.9):
        part = read_audio(io.BytesIO(contents), 8000, offset=offset)
        np.testing.assert_array_equal(part, whole[int(offset * 8000) :])


@pytest.mark.parametrize("form", ["SDS", "PVF", "VOC", "MAT5", "PAF", "SVX", "XI", "AVR", "IRCAM", "HTK"])
def test_formats_that_nobody_records_in_are_refused_without_a_line_of_libsndfile(tmp_path, capfd, form):
    from speechrnn.errors import InputError

    path = tmp_path / "sound"
    soundfile.write(path, noise(1.0), RATE, format=form, subtype="DPCM_16" if form == "XI" else "PCM_16")
    with pytest.raises(InputError, match="expected audio"):
        read_audio(path, RATE)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("raw", "subtype", "size"), [("s16", "PCM_16", 2), ("f32", "FLOAT", 4), ("ulaw", "ULAW", 1), ("alaw", "ALAW", 1)]
)
def test_samples_without_a_header(raw, subtype, size):
    sound = noise(1.0, rate=8000)
    coded = encoded(sound, 8000, subtype=subtype)
    stream = io.BytesIO(coded[-8000 * size :] if subtype != "FLOAT" else sound.tobytes())
    with kept(stream, "stdin", Raw(8000, raw)) as file, warnings.catch_warnings():
        warnings.simplefilter("error")
        read = read_audio(file, 8000)
    assert len(read) == 8000
    np.testing.assert_allclose(read, sound, atol=0.02)


class Failing(io.BytesIO):
    """A disk or a network that fails in the middle."""

    def __init__(self, contents: bytes, after: int, error: BaseException):
        super().__init__(contents)
        self._after, self._error = after, error

    def _check(self) -> None:
        self._after -= 1
        if self._after < 0:
            raise self._error

    def read(self, size: int = -1) -> bytes:
        self._check()
        return super().read(min(size, 10_000) if size > 0 else size)

    def readinto(self, buffer) -> int:
        self._check()
        return super().readinto(buffer)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), TimeoutError("late"), KeyboardInterrupt()])
@pytest.mark.parametrize("seekable", [True, False])
def test_a_read_that_fails_is_an_error_and_never_a_shorter_sound(monkeypatch, capfd, error, seekable):
    from speechrnn.errors import InputError

    contents = encoded(noise(5.0), format="OGG")
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else InputError
    for after in range(len(contents) // 10_000):
        file = Failing(contents, after, error)
        monkeypatch.setattr(file, "seekable", lambda: seekable, raising=False)
        with pytest.raises(expected):
            read_audio(file, RATE)
    assert capfd.readouterr() == ("", "")
