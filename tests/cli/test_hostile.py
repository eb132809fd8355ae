"""Three hundred inputs that want to break `speechrnn transcribe`, in one process: cut, flipped, lying and oddly named files."""

import os
import random
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import RATE, tones

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not take such names")

FORMATS = {  # suffix: (soundfile's format, subtype)
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "sph": ("NIST", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "ULAW"),
    "w64": ("W64", "FLOAT"),
    "caf": ("CAF", "PCM_24"),
}
SECONDS, GIB = 60, 1 << 30


def wav(rate=RATE, channels=1, bits=16, form=1, data=bytes(3200), claimed=None, riff=None, align=None):
    """A wav file whose header may say anything."""
    claimed = len(data) if claimed is None else claimed
    align = channels * bits // 8 if align is None else align
    fields = (form, channels, rate, min(rate * align, 2**32 - 1), align & 0xFFFF, bits)
    header = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, *fields) + b"data" + struct.pack("<I", claimed)
    return b"RIFF" + struct.pack("<I", 36 + claimed & 0xFFFFFFFF if riff is None else riff) + header + data


def cut(samples):
    """Each format ended at every field of its header, and here and there behind it."""
    for suffix, contents in samples.items():
        places = [0, 1, 3, 4, 8, 11, 12, 16, 20, 22, 24, 28, 32, 34, 36, 40, 43, 44, 45, 46, 64, 100, 1024]
        for place in [place for place in places if place < len(contents)] + [len(contents) // 2, len(contents) - 1]:
            yield f"cut-{place:05}.{suffix}", contents[:place]


def flipped(samples, draw):
    """Each format with a bit or three of its first hundred bytes turned over."""
    for suffix, contents in samples.items():
        for n in range(8):
            damaged = bytearray(contents)
            for _ in range(1 + n % 3):
                damaged[draw.randrange(4, min(100, len(contents)))] ^= 1 << draw.randrange(8)
            yield f"flipped-{n}.{suffix}", bytes(damaged)


def lying():
    """Headers that say what cannot be."""
    for rate in (0, 1, 7, 1999, 2000, 768_000, 1_000_001, 2**31, 2**32 - 1):
        yield f"rate-{rate}.wav", wav(rate=rate)
    for channels in (0, 2, 255, 256, 1023, 1024, 1025, 65535):
        yield f"channels-{channels}.wav", wav(channels=channels)
    for bits in (0, 1, 7, 8, 12, 24, 32, 64, 65535):
        yield f"bits-{bits}.wav", wav(bits=bits)
    for form in (0, 2, 3, 6, 7, 17, 49, 85, 0xFFFE, 0xFFFF):
        yield f"form-{form}.wav", wav(form=form)
    for claimed in (0, 1, 3199, 3201, 2**31 - 1, 2**31, 2**32 - 37, 2**32 - 1):
        yield f"claimed-{claimed}.wav", wav(claimed=claimed)
        yield f"riff-{claimed}.wav", wav(riff=claimed)
    for align in (0, 1, 3, 65535):
        yield f"align-{align}.wav", wav(align=align)
    huge = struct.pack(">4sIIIII", b".snd", 24, 2**32 - 2, 3, RATE, 1)
    yield "huge.au", huge + bytes(3200)
    yield "channels.au", struct.pack(">4sIIIII", b".snd", 24, 3200, 3, RATE, 2**31) + bytes(3200)
    streaminfo = struct.pack(">HH", 4096, 4096) + bytes(6) + (16000 << 44 | 15 << 36 | 2**36 - 1).to_bytes(8, "big")
    yield "huge.flac", b"fLaC" + b"\x80\0\0\x22" + streaminfo + bytes(16)
    yield (
        "rate.sph",
        b"NIST_1A\n   1024\nsample_rate -i -5\nchannel_count -i 99999999\nend_head\n".ljust(1024) + bytes(99),
    )
    yield "nan.wav", wav(form=3, bits=32, data=np.full(800, np.nan, "<f4").tobytes())
    yield "infinite.wav", wav(form=3, bits=32, data=np.array([1e38, -np.inf] * 400, "<f4").tobytes())
    yield "loud.wav", wav(form=3, bits=32, data=np.array([3e38, -3e38] * 400, "<f4").tobytes())


def misnamed(samples, draw):
    """Audio under another suffix, which may be read, and what is no audio at all."""
    suffixes = list(samples)
    for suffix, other in zip(suffixes, suffixes[1:] + suffixes[:1], strict=True):
        yield f"is-{suffix}.{other}", samples[suffix]
    for suffix in suffixes:
        yield f"noise.{suffix}", draw.randbytes(5000)
        yield f"text.{suffix}", b"just words\n" * 50
    for name, start in (("gzip.wav", b"\x1f\x8b\x08"), ("elf.mp3", b"\x7fELF"), ("png.ogg", b"\x89PNG\r\n\x1a\n")):
        yield name, start + draw.randbytes(2000)
    yield "id3-of-2-gb.mp3", b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(2000)
    yield "memo.m4a", b"\0\0\0 ftypM4A " + bytes(100)


NAMES = (  # of good files
    b"new\nline.wav",
    b"tab\tand\rreturn.wav",
    b"not-utf-8-\xff\xfe.wav",
    b"-o.wav",
    b"--help.wav",
    b"escape\x1b[31mred.wav",
    "right-to-left-\u202egnp.wav".encode(),
    "\U0001f600 'quotes\" $(rm) ;.wav".encode(),
    b"two.wav.wav",
    b"a..wav.wav",
    b"x" * 251 + b".wav",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder with all of them, and the good files' names beside what is said in them."""
    draw = random.Random(6)
    root = os.fsencode(tmp_path_factory.mktemp("hostile") / "in")
    os.mkdir(root)
    samples = {}
    for suffix, (form, subtype) in FORMATS.items():
        path = os.path.join(root, b"good." + suffix.encode())
        sound = tones("good", 48000 if suffix == "opus" else RATE)
        soundfile.write(os.fsdecode(path), sound, 48000 if suffix == "opus" else RATE, format=form, subtype=subtype)
        with open(path, "rb") as file:
            samples[suffix] = file.read()
    damaged = dict([*cut(samples), *flipped(samples, draw), *lying(), *misnamed(samples, draw)])
    for name, contents in damaged.items():
        with open(os.path.join(root, name.encode()), "wb") as file:
            file.write(contents)
    good = [f"good.{suffix}".encode() for suffix in FORMATS if suffix != "mp3"] + list(NAMES)  # mp3 blurs the tones
    for name in NAMES:
        with open(os.path.join(root, name), "wb") as file:
            file.write(samples["wav"])
    os.mkdir(os.path.join(root, b"folder.wav"))
    os.mkfifo(os.path.join(root, b"pipe.wav"))
    os.symlink(b"loop.wav", os.path.join(root, b"loop.wav"))
    os.symlink(b"nowhere.wav", os.path.join(root, b"dead.wav"))
    os.symlink(b"..", os.path.join(root, b"folder.wav", b"up"))
    os.symlink(root, os.path.join(root, b"again"))
    return root, good, damaged


LIMITED = f"""if True:
    import resource, subprocess, sys
    resource.setrlimit(resource.RLIMIT_AS, ({4 * GIB}, {4 * GIB}))
    status = subprocess.run(sys.argv[2:]).returncode
    with open(sys.argv[1], "w") as file:
        file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
    sys.exit(status)
"""


@pytest.fixture
def run(package_dir, tmp_path):
    """The command under a limit of memory and of time. Returns it and its largest resident set in MiB."""

    def call(*arguments):
        options = ["--model", package_dir, "--threads", "2"]
        command = [sys.executable, "-m", "speechrnn", "transcribe", *options, *arguments]
        limited = [sys.executable, "-c", LIMITED, tmp_path / "peak", *command]
        done = subprocess.run(limited, capture_output=True, check=False, timeout=SECONDS)
        return done, int((tmp_path / "peak").read_text()) / 1024

    return call


def told(stderr):
    """The lines that are ours: the decoders of MP3 print their own."""
    return [line for line in stderr.splitlines() if line.startswith(b"speechrnn transcribe: ") or b" files, " in line]


def shown(path):
    """A path as it stands in the output, by another way than the program's."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in os.fsdecode(path)).encode()


def test_text_of_all_of_them(run, folder):
    root, good, damaged = folder
    assert len(damaged) >= 200
    done, peak = run(root)
    out, err = done.stdout.splitlines(), told(done.stderr)
    assert done.returncode == 1
    assert peak < 300, f"{peak:.0f} MiB"
    for name in good:
        assert shown(os.path.join(root, name)) + b"\tgood" in out
    # Every file is told of once: by its text or by an error.
    names = [line.split(b"\t")[0] for line in out]
    errors = [line for line in err[:-1] if not line.startswith(b"speechrnn transcribe: warning: ")]
    assert all(line.startswith(b"speechrnn transcribe: " + root) for line in errors), errors
    names += [line.removeprefix(b"speechrnn transcribe: ").split(b": ")[0] for line in errors]
    expected = [shown(os.path.join(root, name)) for name in [*map(os.fsencode, damaged), *good, b"good.mp3"]]
    assert sorted(names) == sorted(expected)
    assert err[-1].startswith(b"%d files, " % len(out)) and err[-1].endswith(b"%d could not be used" % len(errors))


def test_files_of_all_of_them(run, folder, tmp_path):
    root, good, damaged = folder
    (tmp_path / "apart").mkdir()
    apart = os.fsencode(tmp_path / "apart")  # of those that differ in the suffix only, one
    seen = set()
    for name in [*good, *map(os.fsencode, damaged)]:
        if os.path.splitext(name)[0] not in seen:
            seen.add(os.path.splitext(name)[0])
            os.link(os.path.join(root, name), os.path.join(apart, name))
    done, peak = run(apart, "-o", tmp_path / "out", "--format", "txt,json")
    assert (done.returncode, done.stdout) == (1, b"")
    assert peak < 300, f"{peak:.0f} MiB"
    out = os.fsencode(tmp_path / "out")
    made = os.listdir(out)
    assert not [name for name in made if name.endswith(b".part")]
    for name in NAMES[:-1]:
        with open(os.path.join(out, name[:-4] + b".txt"), "rb") as file:
            assert file.read() == b"good\n"
    assert b"File name too long" in done.stderr  # the last one's, with what is put behind it


def test_each_channel_of_all_of_them(run, folder):
    root, good, _ = folder
    done, peak = run(root, "--channels", "each", "--quiet")
    assert done.returncode == 1
    assert all(line.startswith(b"speechrnn transcribe: " + root) for line in told(done.stderr))
    assert peak < 300, f"{peak:.0f} MiB"
    for name in good:
        assert shown(os.path.join(root, name)) + b"\t1\tgood" in done.stdout.splitlines()


def test_no_traceback(run, folder):
    done, _ = run(folder[0])
    assert b"Traceback" not in done.stderr
