"""The cache of decoded audio: what it holds, when it decodes again, and what it says of files that cannot be read."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from speechrnn.audio import read_audio
from speechrnn.data.audio_cache import AudioCache
from speechrnn.errors import InputError
from speechrnn.manifest import Utterance, write_manifest

RATE = 16000


@pytest.fixture
def utterances(tmp_path):
    """A plain one, a stretch of a long one, one at another rate with two channels, and two that cannot be read."""
    random = np.random.default_rng(0)
    soundfile.write(tmp_path / "plain.wav", random.normal(0, 0.2, 4000), RATE)
    soundfile.write(tmp_path / "long.flac", random.normal(0, 0.2, 3 * RATE), RATE)
    soundfile.write(tmp_path / "stereo.wav", random.normal(0, 0.2, (2500, 2)), 8000, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("this is no sound")
    return [
        Utterance("plain", str(tmp_path / "plain.wav"), "a"),
        Utterance("stretch", str(tmp_path / "long.flac"), "b", offset=1.25, duration=0.5),
        Utterance("stereo", str(tmp_path / "stereo.wav"), "c"),
        Utterance("text", str(tmp_path / "text.wav"), "d"),
        Utterance("missing", str(tmp_path / "missing.wav"), "e"),
    ]


class Decoded:
    """As `progress`, counts the utterances that are decoded."""

    count = 0

    def __call__(self, utterances):
        for utterance in utterances:
            self.count += 1
            yield utterance


def decodes(*arguments):
    decoded = Decoded()
    return AudioCache(*arguments, progress=decoded), decoded.count


def test_samples_are_those_of_the_files_rounded_to_int16(utterances, tmp_path):
    cache = AudioCache(utterances, RATE, tmp_path / "cache")
    for utterance in utterances[:3]:
        expected = read_audio(utterance.audio_filepath, RATE, offset=utterance.offset, duration=utterance.duration)
        found = cache.waveform(utterance.id)
        assert found.dtype == np.float32 and len(found) == cache.samples(utterance.id) == len(expected)
        np.testing.assert_allclose(found, np.clip(expected, -1, 1 - 1 / 32768), atol=0.5 / 32768 + 1e-7)
    assert (cache.samples("plain"), cache.samples("stretch"), cache.samples("stereo")) == (4000, RATE // 2, 5000)
    plain, _ = soundfile.read(utterances[0].audio_filepath, dtype="int16")
    assert np.array_equal(cache.waveform("plain") * 32768, plain)  # what was int16 is exact


def test_loud_floating_point_sound_is_clipped_not_wrapped(tmp_path):
    soundfile.write(tmp_path / "loud.wav", np.array([2.0, -2.0, 0.5]), RATE, subtype="FLOAT")
    cache = AudioCache([Utterance("loud", str(tmp_path / "loud.wav"), "a")], RATE, tmp_path / "cache")
    assert cache.waveform("loud").tolist() == [32767 / 32768, -1.0, 0.5]


def test_what_cannot_be_read_is_named_with_its_reason(utterances, tmp_path):
    cache = AudioCache(utterances, RATE, tmp_path / "cache")
    assert list(cache.unreadable) == ["text", "missing"]
    assert "text.wav: expected audio" in cache.unreadable["text"] and "missing.wav" in cache.unreadable["missing"]
    with pytest.raises(InputError, match=r"^no audio could be read; the first of 2: .*text\.wav"):
        AudioCache(utterances[3:], RATE, tmp_path / "cache")


def test_decoded_once_and_again_only_when_something_changed(utterances, tmp_path):
    folder = tmp_path / "cache"
    assert decodes(utterances, RATE, folder)[1] == 5
    again, count = decodes(utterances, RATE, folder)
    assert count == 0 and list(again.unreadable) == ["text", "missing"] and again.samples("plain") == 4000
    assert decodes(utterances, 8000, folder)[1] == 5  # another rate
    assert decodes(utterances[:2], RATE, folder)[1] == 2  # other utterances
    assert decodes(utterances, RATE, folder)[1] == 0  # and the first is still there
    soundfile.write(utterances[0].audio_filepath, np.zeros(777), RATE)
    changed, count = decodes(utterances, RATE, folder)
    assert count == 5 and changed.samples("plain") == 777
    soundfile.write(utterances[4].audio_filepath, np.zeros(88), RATE)  # the missing one appears
    assert "missing" not in AudioCache(utterances, RATE, folder).unreadable


def written(path, contents):
    """The file with other contents, of which its size and its time tell nothing."""
    path.write_bytes(contents)
    os.utime(path, (1, 1))


def test_what_could_not_be_read_for_a_while_is_tried_again_and_nothing_else_is(utterances, tmp_path):
    folder, plain, stereo = tmp_path / "cache", tmp_path / "plain.wav", tmp_path / "stereo.wav"
    sound, others = plain.read_bytes(), stereo.read_bytes()
    written(stereo, others)
    written(plain, bytes(len(sound)))
    whole = {"stretch", "stereo"}
    before = AudioCache(utterances, RATE, folder)
    assert set(before.unreadable) == {"plain", "text", "missing"}
    expected = {id: before.waveform(id) for id in whole}
    expected["plain"] = read_audio(io.BytesIO(sound), RATE)
    (samples,) = folder.glob("*.int16")
    with open(samples, "ab") as file:  # of a process that was killed before it could write the index
        file.write(b"\1" * 10_001)
    written(plain, sound)
    written(stereo, bytes(len(others)))  # what is in the cache is not asked for again
    for _ in range(2):
        cache, count = decodes(utterances, RATE, folder)
        assert count == 0 and list(cache.unreadable) == ["text", "missing"]
        for id, waveform in expected.items():
            assert np.array_equal(cache.waveform(id), waveform)
        written(plain, bytes(len(sound)))  # the second time it comes from the cache
    assert all(np.array_equal(before.waveform(id), expected[id]) for id in whole)  # who had it open has it still


def test_the_same_size_at_another_time_is_a_change(utterances, tmp_path):
    folder, path = tmp_path / "cache", utterances[0].audio_filepath
    AudioCache(utterances, RATE, folder)
    soundfile.write(path, np.full(4000, 0.25), RATE)
    os.utime(path, (1, 1))
    assert AudioCache(utterances, RATE, folder).waveform("plain")[0] == 0.25


def test_a_decoding_that_is_interrupted_leaves_nothing_that_passes_for_a_cache(utterances, tmp_path):
    def interrupted(every):
        yield every[0]
        raise KeyboardInterrupt

    folder = tmp_path / "cache"
    with pytest.raises(KeyboardInterrupt):
        AudioCache(utterances, RATE, folder, progress=interrupted)
    assert {path.suffix for path in folder.iterdir()} == {".lock"}
    assert decodes(utterances, RATE, folder)[1] == 5


@pytest.mark.parametrize("damage", [b"", b"{", b"7", b'{"spans": {}}', b'{"spans": {"plain": 3}}'])
def test_a_damaged_index_is_made_again(utterances, tmp_path, damage):
    folder = tmp_path / "cache"
    AudioCache(utterances, RATE, folder)
    next(folder.glob("*.json")).write_bytes(damage)
    again, count = decodes(utterances, RATE, folder)
    assert count == 5 and again.samples("plain") == 4000


# Decodes the cache in a folder, and dawdles: it says when it has begun, and goes on when the file `go` is there.
DECODER = """\
import sys, time
from pathlib import Path
from speechrnn.data.audio_cache import AudioCache
from speechrnn.manifest import read_manifest

def dawdling(utterances):
    for number, utterance in enumerate(utterances):
        print(number, flush=True)
        while number == 1 and not Path(sys.argv[3]).exists():
            time.sleep(0.01)
        yield utterance

cache = AudioCache(read_manifest(sys.argv[1]), 16000, sys.argv[2], progress=dawdling)
print("whole", cache.samples("plain"), flush=True)
"""


def decoder(tmp_path, utterances, folder):
    """A started process that decodes, and what it waits for."""
    write_manifest(tmp_path / "all.jsonl", utterances)
    go = tmp_path / "go"
    return subprocess.Popen(
        [sys.executable, "-c", DECODER, tmp_path / "all.jsonl", folder, go],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ), go


def test_of_two_processes_one_decodes_and_the_other_waits_for_it(utterances, tmp_path):
    folder = tmp_path / "cache"
    first, go = decoder(tmp_path, utterances, folder)
    assert first.stdout.readline() == "0\n"
    second, _ = decoder(tmp_path, utterances, folder)
    assert second.stderr.readline() == f"{folder}: another process decodes the same audio; waiting for it\n"
    go.touch()
    said = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert said == ["1\n2\n3\n4\nwhole 4000\n", "whole 4000\n"]
    assert not list(folder.glob("*.part"))


def test_a_killed_process_leaves_nothing_for_long_and_a_living_one_is_let_alone(utterances, tmp_path):
    folder = tmp_path / "cache"
    killed, go = decoder(tmp_path, utterances, folder)
    assert killed.stdout.readline() == "0\n" and killed.stdout.readline() == "1\n"
    (half,) = folder.glob("*.part")
    AudioCache(utterances[:1], RATE, folder)  # another cache, while it lives
    assert half.exists()
    killed.kill()
    killed.communicate()
    assert half.exists()
    AudioCache(utterances[:2], RATE, folder)  # yet another
    assert not half.exists()
    killed, _ = decoder(tmp_path, utterances, folder)
    assert killed.stdout.readline() == "0\n" and killed.stdout.readline() == "1\n"
    killed.kill()
    killed.communicate()
    assert decodes(utterances, RATE, folder)[1] == 5  # the same
    assert not list(folder.glob("*.part"))


def test_a_whole_cache_is_read_where_nothing_can_be_written(utterances, tmp_path):
    folder = tmp_path / "cache"
    AudioCache(utterances, RATE, folder)
    next(folder.glob("*.lock")).unlink()
    folder.chmod(0o555)
    try:
        assert decodes(utterances, RATE, folder)[1] == 0
        assert not list(folder.glob("*.lock"))
    finally:
        folder.chmod(0o755)
