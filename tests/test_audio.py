"""Audio from whatever people hand in."""

import gc
import io
import signal
import struct
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import soundfile
from conftest import RATE, tones

from speechrnn.audio import arrays, audio_blocks, channels_of, read_audio, source_name, sources
from speechrnn.audio.sources import printable
from speechrnn.errors import InputError


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


def encoded(samples: np.ndarray, rate: int = RATE, **form) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **({"format": "WAV"} | form))
    return file.getvalue()


def wav_header(channels: int, rate: int, size: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2 & 0xFFFFFFFF, channels * 2 & 0xFFFF, 16)
    return (
        b"RIFF"
        + struct.pack("<I", size + 36 & 0xFFFFFFFF)
        + b"WAVEfmt \x10\0\0\0"
        + form
        + b"data"
        + struct.pack("<I", size)
    )


@pytest.mark.parametrize(
    ("form", "exact"),
    [
        ({"format": "WAV", "subtype": "PCM_16"}, True),
        ({"format": "WAV", "subtype": "PCM_24"}, True),
        ({"format": "WAV", "subtype": "FLOAT"}, True),
        ({"format": "FLAC"}, True),
        ({"format": "NIST"}, True),
        ({"format": "OGG"}, False),
        ({"format": "OGG", "subtype": "OPUS"}, False),
        ({"format": "MP3"}, False),
    ],
)
def test_every_format_gives_the_sound_that_was_written(tmp_path, form, exact):
    sound = tones("FORMAT", level=0.4)
    path = tmp_path / "sound.bin"  # the contents decide, not the name
    path.write_bytes(encoded(sound, **form))
    read = read_audio(path, RATE)
    assert read.dtype == np.float32 and read.ndim == 1
    if exact:
        np.testing.assert_allclose(read, sound, atol=2**-15)
    else:  # lossy: the same spectrum
        ours, theirs = (np.abs(np.fft.rfft(x, 2**16)) for x in (read, sound))
        assert np.corrcoef(ours, theirs)[0, 1] > 0.98


def test_reading_in_blocks_equals_reading_whole():
    for form in ({"format": "MP3"}, {"format": "OGG"}, {"format": "FLAC"}, {"format": "WAV"}):
        contents = encoded(noise(70_000), **form)
        whole = soundfile.read(io.BytesIO(contents), dtype="float32")[0]
        np.testing.assert_allclose(read_audio(io.BytesIO(contents), RATE), whole, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_resampling_keeps_frequency_level_and_length(rate):
    hertz, level = 1000.0, 0.25
    sine = (level * np.sin(2 * np.pi * hertz * np.arange(2 * rate) / rate)).astype(np.float32)
    read = read_audio(io.BytesIO(encoded(sine, rate, subtype="FLOAT")), RATE)
    assert len(read) == 2 * RATE
    middle = slice(1600, -1600)
    expected = level * np.sin(2 * np.pi * hertz * np.arange(len(read)) / RATE)
    np.testing.assert_allclose(read[middle], expected[middle], atol=1e-3)  # the phase too: no delay


def test_what_16_khz_cannot_hold_is_removed():
    sine = np.sin(2 * np.pi * 12_000 * np.arange(44_100) / 44_100).astype(np.float32)
    assert np.abs(read_audio(sine, RATE, rate=44_100))[1000:-1000].max() < 1e-3


def test_channels_and_sample_types_of_arrays_and_files_agree():
    counts = np.random.default_rng(0).integers(-(2**15), 2**15, 5000).astype(np.int16)
    expected = (counts / 2**15).astype(np.float32)
    for array in (
        counts,
        counts.astype(np.int32) * 2**16,
        expected,
        expected.astype(np.float64),
        np.stack([counts] * 8, axis=1),
        np.asfortranarray(np.stack([expected, expected], axis=1)),
    ):
        np.testing.assert_array_equal(read_audio(array, RATE, rate=RATE), expected)
        subtype = "FLOAT" if array.dtype.kind == "f" else f"PCM_{8 * array.dtype.itemsize}"
        np.testing.assert_array_equal(read_audio(io.BytesIO(encoded(array, subtype=subtype)), RATE), expected)
    eight_bit = np.array([0, 128, 255], np.uint8)
    np.testing.assert_array_equal(read_audio(eight_bit, RATE, rate=RATE), np.float32([-1, 0, 127 / 128]))


def test_channels_are_averaged():
    left, right = noise(1000, 1), noise(1000, 2)
    read = read_audio(np.stack([left, right], axis=1), RATE, rate=RATE)
    np.testing.assert_allclose(read, (left + right) / 2, atol=1e-7)


@pytest.mark.parametrize("gain", [0.001, 0.1, 10.0, 1e6])
def test_float_values_are_not_changed(gain):
    sound = noise(1000) * np.float32(gain)
    np.testing.assert_array_equal(read_audio(sound, RATE, rate=RATE), sound)
    np.testing.assert_array_equal(read_audio(io.BytesIO(encoded(sound, subtype="FLOAT")), RATE), sound)


def test_stretches_of_files_and_arrays(tmp_path):
    sound = noise(8000 * 10)
    path = tmp_path / "long.wav"
    path.write_bytes(encoded(sound, 8000, subtype="FLOAT"))
    for source, rate in ((path, None), (sound, 8000)):
        read = read_audio(source, 8000, rate=rate, offset=2.5, duration=1.25)
        np.testing.assert_array_equal(read, sound[20000:30000])
        np.testing.assert_array_equal(read_audio(source, 8000, rate=rate, offset=9.0), sound[72000:])
        np.testing.assert_array_equal(read_audio(source, 8000, rate=rate, offset=9, duration=60), sound[72000:])
        for offset in (10.0, 1e9, -1.0, float("inf"), float("nan")):
            with pytest.raises(InputError, match="expected a stretch within its 10 s"):
                read_audio(source, 8000, rate=rate, offset=offset)
        with pytest.raises(InputError, match="no samples"):
            read_audio(source, 8000, rate=rate, duration=0.0)
        with pytest.raises(InputError, match="found nan"):
            read_audio(source, 8000, rate=rate, duration=float("nan"))
        np.testing.assert_array_equal(read_audio(source, 8000, rate=rate, duration=float("inf")), sound)


def test_one_channel_of_several():
    sound = np.stack([noise(9000, 1), noise(9000, 2), noise(9000, 3)], axis=1)
    for source, rate in ((sound, RATE), (io.BytesIO(encoded(sound, subtype="FLOAT")), None)):
        assert channels_of(source) == 3
        for channel in range(3):
            np.testing.assert_array_equal(read_audio(source, RATE, rate=rate, channel=channel), sound[:, channel])
        for channel in (3, -1):
            with pytest.raises(InputError, match=f"expected a channel of 0 to 2, found {channel}"):
                read_audio(source, RATE, rate=rate, channel=channel)
    resampled = read_audio(sound, RATE, rate=8000, channel=1)
    np.testing.assert_array_equal(resampled, read_audio(sound[:, 1].copy(), RATE, rate=8000))
    assert channels_of(noise(10)) == 1
    assert channels_of(io.BytesIO(encoded(noise(10)))) == 1
    with pytest.raises(InputError, match="expected audio"):
        channels_of(io.BytesIO(b"no sound at all"))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
def test_blocks_are_what_is_read_at_once(rate, channels):
    sound = np.stack([noise(160_000, seed) for seed in range(channels)], axis=1)
    for source, own in ((io.BytesIO(encoded(sound, rate, subtype="FLOAT")), None), (sound, rate)):
        blocks = list(audio_blocks(source, RATE, rate=own, offset=1.0, duration=2.5))
        assert all(block.ndim == 1 and block.dtype == np.float32 for block in blocks)
        assert max(map(len, blocks)) <= 2 * arrays.BLOCK * RATE / rate + 1000
        whole = read_audio(source, RATE, rate=own, offset=1.0, duration=2.5)
        np.testing.assert_array_equal(np.concatenate(blocks), whole)
        assert abs(len(whole) - 2.5 * RATE) <= 1


def test_resampling_as_a_stream_equals_resampling_at_once():
    import soxr

    sound = noise(200_000)
    for rate in (8000, 22050, 48000):
        expected = soxr.resample(sound, rate, RATE)
        np.testing.assert_allclose(read_audio(sound, RATE, rate=rate), expected, atol=1e-6)


def test_blocks_take_no_memory_for_the_length_of_a_recording(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 8000, 2, "PCM_16") as file:
        for seed in range(20):
            file.write(np.stack([noise(80_000, seed)] * 2, axis=1))
    tracemalloc.start()
    assert sum(map(len, audio_blocks(path, RATE))) == 20 * 160_000
    assert tracemalloc.get_traced_memory()[1] < 2_000_000  # 12.8 MB as samples
    tracemalloc.stop()


def test_no_block_comes_after_a_sample_that_is_no_number():
    sound = noise(100_000)
    sound[[50_000, 99_000]] = np.nan
    given = []
    with pytest.raises(InputError, match="found NaN or infinity in 2 of 100000"):
        for block in audio_blocks(sound, RATE, rate=RATE):
            given.append(block)
    np.testing.assert_array_equal(np.concatenate(given), sound[: 3 * arrays.BLOCK])


READ_STDIN = """
import sys
from speechrnn.audio import channels_of, read_audio
try:
    print(channels_of("-"))
except Exception as error:
    print(error)
print(len(read_audio("-", 16000)))
"""


@pytest.mark.parametrize("piped", [True, False])
def test_stdin_may_be_a_pipe_or_a_file(tmp_path, piped):
    path = tmp_path / "sound.wav"
    path.write_bytes(encoded(noise(30_000)))
    command = [sys.executable, "-c", READ_STDIN]
    with path.open("rb") as file:
        sound = {"input": file.read()} if piped else {"stdin": file}
        done = subprocess.run(command, capture_output=True, check=True, **sound)
    channels, samples = done.stdout.decode().splitlines()
    assert channels.startswith("stdin: expected a file, to see how many") if piped else channels == "1"
    assert samples == "30000"


def test_what_a_pipe_gives_is_kept_on_disk_and_bounded(monkeypatch):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    contents = encoded(noise(100_000))
    np.testing.assert_array_equal(read_audio(Pipe(contents), RATE), read_audio(io.BytesIO(contents), RATE))
    monkeypatch.setattr(sources, "LONGEST_STREAM", 1 << 17)
    with pytest.raises(InputError, match="expected at most 0 MiB from a stream: write it to a file first"):
        read_audio(Pipe(contents), RATE)
    with pytest.raises(InputError, match="found a stream: write it to a file first"):
        channels_of(Pipe(contents))


def test_file_objects_are_read_from_their_start_and_need_not_seek():
    sound = noise(3000)
    file = io.BytesIO(encoded(sound, subtype="FLOAT"))
    file.seek(0, io.SEEK_END)
    np.testing.assert_array_equal(read_audio(file, RATE), sound)

    class Pipe(io.RawIOBase):
        def __init__(self, contents):
            self.rest = io.BytesIO(contents)

        def readable(self):
            return True

        def readinto(self, buffer):
            return self.rest.readinto(memoryview(buffer)[:100])

    np.testing.assert_array_equal(read_audio(Pipe(file.getvalue()), RATE), sound)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_one_sample_is_a_recording(rate):
    assert len(read_audio(np.array([0.5]), RATE, rate=rate)) >= 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_samples_that_are_no_numbers_are_counted(value):
    sound = noise(40_000).astype(np.float64)
    sound[[5, 20_000, 39_999]] = value
    for source, rate in ((sound, RATE), (np.stack([sound, sound], 1), RATE), (sound, 8000)):
        with pytest.raises(InputError, match="found NaN or infinity in 3 of 40000"):
            read_audio(source, RATE, rate=rate)
    with pytest.raises(InputError, match="found NaN or infinity in 3 of 40000"):
        read_audio(io.BytesIO(encoded(sound, subtype="DOUBLE")), RATE)


@pytest.mark.parametrize(
    ("array", "rate", "message"),
    [
        (np.zeros(100), None, "give rate="),
        (np.zeros(0), RATE, "no samples"),
        (np.zeros((0, 2)), RATE, "no samples"),
        (np.zeros((100, 0)), RATE, "no samples"),
        (np.zeros((2, 16000)), RATE, r"expected the shape .*, found \(2, 16000\)"),
        (np.zeros((2, 2, 2)), RATE, r"found \(2, 2, 2\)"),
        (np.float32(1), RATE, r"found \(\)"),
        (np.zeros(100, np.int64), RATE, "found int64"),
        (np.zeros(100, np.complex64), RATE, "found complex64"),
        (np.zeros(100, bool), RATE, "found bool"),
        (np.zeros(100), 0, "sample rate of 2000 to 1000000 Hz, found 0"),
    ],
)
def test_arrays_that_are_no_sound_are_refused(array, rate, message):
    with pytest.raises(InputError, match=message):
        read_audio(array, RATE, rate=rate)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "the file is empty"),
        (b"These are words.\n" * 1000, "expected audio .*Format not recognised"),
        (b"R", "expected audio"),
        (b"RIFF\0\0", "expected audio"),
        (noise(10_000).tobytes(), "expected audio"),
        (encoded(np.zeros(0, np.float32)), "no samples"),
        (encoded(noise(8000), format="FLAC")[:60], "expected audio|damaged|no samples"),
        (wav_header(1, 1, 1000) + bytes(1000), "sample rate"),
        (wav_header(1, 2**31 - 1, 1000) + bytes(1000), "sample rate"),
        (wav_header(0, 16000, 1000) + bytes(1000), "expected audio"),
        (wav_header(65535, 16000, 100) + bytes(1000), "expected audio"),
    ],
)
def test_files_that_are_no_sound_are_refused_in_one_line_that_names_them(tmp_path, contents, message):
    path = tmp_path / "text.wav"
    path.write_bytes(contents)
    with pytest.raises(InputError, match=message) as caught:
        read_audio(path, RATE)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_sound_is_read_whatever_its_file_is_named(tmp_path):
    path = tmp_path / "sound.raw"
    path.write_bytes(encoded(noise(3000), subtype="FLOAT"))
    with open(path, "rb") as file:
        for source in (path, file):
            np.testing.assert_array_equal(read_audio(source, RATE), noise(3000))


@pytest.mark.skipif(sys.platform == "win32", reason="no such timer")
def test_ctrl_c_is_never_lost_while_a_file_is_read(tmp_path, capfd, monkeypatch):
    """An exception within a callback of libsndfile would be printed and forgotten, and the sound end there.

    Python itself forgets what is raised while an object is deleted; that the file was closed by then.
    """
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(noise(RATE * 60)))
    sent = caught = 0
    deleting = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: deleting.append(raised.object.__name__))

    def interrupt(*_):
        nonlocal sent
        sent += 1
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    gc.collect()
    gc.disable()  # what other tests left to be deleted is not to be deleted here
    try:
        for n in range(200):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0005 + n * 1e-5)
                for _ in audio_blocks(path, RATE):
                    pass
                signal.setitimer(signal.ITIMER_REAL, 0.0)
            except KeyboardInterrupt:
                caught += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()
    assert caught + len(deleting) == sent > 20
    assert capfd.readouterr().err == "" and set(deleting) <= {"__del__"}


def test_paths_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "samples.raw").write_bytes(bytes(1000))
    for path, message in (
        (tmp_path / "absent.wav", "No such file"),
        (tmp_path, "Is a directory|Permission denied"),
        ("a\0b.wav", "null"),
        (tmp_path / "samples.raw", "found another format"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            read_audio(path, RATE)
        assert str(caught.value).startswith(source_name(path))
    with pytest.raises(InputError, match="binary mode"):
        read_audio(io.StringIO("text"), RATE)
    file = io.BytesIO()
    file.close()
    with pytest.raises(InputError, match="BytesIO: expected an open file"):
        read_audio(file, RATE)
    with pytest.raises(InputError, match="found NoneType"):
        read_audio(None, RATE)


@pytest.mark.parametrize("form", [{"format": name} for name in ("WAV", "AIFF", "FLAC", "MP3", "NIST", "W64", "RF64")])
def test_a_truncated_recording_is_read_as_far_as_it_goes_with_a_warning(form):
    sound = noise(80_000)
    contents = encoded(sound, **form)
    with pytest.warns(UserWarning, match=r"its header states 5\.00 s, it ends at 2\.\d\d s"):
        read = read_audio(io.BytesIO(contents[: len(contents) // 2]), RATE)
    assert 32_000 <= len(read) <= 40_000
    if form["format"] != "MP3":
        np.testing.assert_allclose(read, sound[: len(read)], atol=2**-15)


@pytest.mark.filterwarnings("error")
def test_a_length_that_a_stream_left_open_is_no_truncation():
    sound = noise(20_000)
    samples = encoded(sound)[44:]
    for size in (0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000):  # as ffmpeg, sox and others write into pipes
        read = read_audio(io.BytesIO(wav_header(1, RATE, size) + samples), RATE)
        np.testing.assert_allclose(read, sound, atol=2**-15)
    flac = bytearray(encoded(sound, format="FLAC"))
    flac[21] &= 0xF0  # STREAMINFO's 36 bits of total samples: 0 is unknown
    flac[22:26] = bytes(4)
    np.testing.assert_allclose(read_audio(io.BytesIO(flac), RATE), sound, atol=2**-15)


def test_a_header_that_claims_too_much_costs_no_memory():
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for channels in (1, 2, 1000):
        contents = wav_header(channels, RATE, 0xFFFFFF00 // channels * channels) + bytes(4000)
        assert len(read_audio(io.BytesIO(contents), RATE)) == 4000 // 2 // channels
    flac = bytearray(encoded(noise(20_000), format="FLAC"))
    flac[21] |= 0x0F  # 2**36 - 1 samples: 256 GiB
    flac[22:26] = b"\xff" * 4
    with pytest.warns(UserWarning, match="it ends at 1.25 s"):
        assert len(read_audio(io.BytesIO(flac), RATE)) == 20_000
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    )  # KiB; 100,000 is one block of 1000 channels


def test_names_are_printed_on_one_line():
    assert source_name("-") == "stdin"
    assert source_name(b"a\xffb\nc.wav".decode("utf-8", "surrogateescape")) == r"a\udcffb\nc.wav"
    assert source_name(np.zeros(1)) == "array"
    assert source_name(io.BytesIO()) == "BytesIO"
    assert printable("grün é 語 \x1b[31m\u202e") == r"grün é 語 \x1b[31m\u202e"
