"""Recordings that libsndfile does not decode, as those of phones and video, by the program ffmpeg."""

import os
import re
import shutil
import subprocess
import warnings
from contextlib import ExitStack
from typing import BinaryIO, cast

from speechrnn.errors import InputError

# How they begin, and what ffmpeg calls the reader. It is told which, as it has others that open further files and addresses.
READERS = (
    (rb"....(?:ftyp|moov|mdat|wide|free|skip)", "mov", "MP4 or QuickTime"),
    (rb"\x1a\x45\xdf\xa3", "matroska", "Matroska or WebM"),
    (rb"#!AMR", "amr", "AMR"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf", "WMA or WMV"),
    (rb"RIFF....AVI ", "avi", "AVI"),
    (rb"FLV\x01", "flv", "Flash video"),
    (rb"\.RMF|\.ra\xfd", "rm", "RealAudio"),
    (rb"\x00\x00\x01\xba", "mpeg", "MPEG video"),
    (rb"\x47.{187}\x47.{187}\x47", "mpegts", "MPEG video"),
    (rb"\xff[\xf0\xf1\xf8\xf9]", "aac", "AAC"),
)


def decoded(name: str, file: BinaryIO, stack: ExitStack) -> BinaryIO | None:
    """The first sound track as a file of samples without a name; None where the file is of no kind that ffmpeg is asked for.

    Raises:
        InputError: there is no ffmpeg, or it cannot decode anything of it.
    """
    file.seek(0)
    head = file.read(1024)
    reader = next((each for each in READERS if re.match(each[0], head, re.DOTALL)), None)
    if reader is None:
        return None
    program = shutil.which("ffmpeg")
    if not program or os.name != "posix":
        raise InputError(
            f"{name}: {reader[2]} is decoded by the program ffmpeg, which was not found: install it "
            "(apt install ffmpeg, or brew install ffmpeg), or convert the file to wav"
        )
    from tempfile import TemporaryFile

    samples = stack.enter_context(TemporaryFile(buffering=0))
    source = f"file:/dev/fd/{file.fileno()}"
    command = [program, "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-f", reader[1], "-i", source]
    command += ["-map", "0:a:0", "-c:a", "pcm_s16be", "-f", "au", "-protocol_whitelist", "pipe", "pipe:1"]
    file.seek(0)
    done = subprocess.run(command, stdout=samples, stderr=subprocess.PIPE, pass_fds=(file.fileno(),), check=False)
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    said = "".join(c for c in (lines[0] if lines else f"status {done.returncode}") if c.isprintable())
    said = re.sub(r"^\[[^]]*\] *", "", said).replace(source, "the file")
    size = os.fstat(samples.fileno()).st_size
    if size <= 32:
        raise InputError(f"{name}: {reader[2]} of which ffmpeg decodes no sound ({said})")
    if done.returncode or lines:
        header = os.pread(samples.fileno(), 24, 0)  # the rate and the number of channels are in it
        seconds = (size - 32) / 2 / int.from_bytes(header[16:20], "big") / header[23]
        warnings.warn(f"{name}: damaged: {seconds:.2f} s of it were read (ffmpeg: {said})", stacklevel=1)
    samples.seek(0)
    return cast(BinaryIO, samples)
