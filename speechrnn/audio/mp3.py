"""The frames of an MP3 file, found in its data: what its header says of their number is often missing or wrong."""

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO, NamedTuple

BITRATES = {  # kbit/s, by whether it is MPEG-1, and layer
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = (44_100, 48_000, 32_000)
AHEAD = 1 << 16  # bytes; a file whose first frame comes later is no MP3
SURE = 4  # frames of one kind in a row that are no chance
CHUNK = 1 << 20


class Header(NamedTuple):
    """What the first four bytes of a frame say: its `length` in bytes, its `samples`, and its kind, which a stream keeps."""

    length: int
    samples: int
    mpeg1: bool
    layer: int
    rate: int
    mono: bool

    @property
    def kind(self) -> tuple[bool, int, int, bool]:
        return self[2:]


class Run(NamedTuple):
    """Frames of one kind: where they lie, as (start, end), what is `stated` of their length, in seconds, if anything, the
    bytes of a header that states it rightly, which belong before them, and how many bytes of damage lie between them."""

    pieces: list[tuple[int, int]]
    stated: float | None
    header: bytes
    damage: int


@lru_cache(maxsize=4096)
def parsed(head: bytes) -> Header | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] < 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    mpeg1, hertz = version == 3, RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bits, padding = 1000 * BITRATES[mpeg1, layer][bitrate - 1], head[2] >> 1 & 1
    samples = 384 if layer == 1 else 1152 if layer == 2 or mpeg1 else 576
    length = (12 * bits // hertz + padding) * 4 if layer == 1 else samples // 8 * bits // hertz + padding
    return Header(length, samples, mpeg1, layer, hertz, head[3] >> 6 == 3)


class _Bytes:
    """A file's bytes by position, read a chunk at a time."""

    def __init__(self, file: BinaryIO, size: int):
        self.size = size
        self._file, self._start, self._chunk = file, 0, b""

    def at(self, position: int, count: int) -> bytes:
        begin = position - self._start
        if begin < 0 or begin + count > len(self._chunk):
            self._file.seek(position)
            self._start, self._chunk, begin = position, self._file.read(max(CHUNK, count)) or b"", 0
        return self._chunk[begin : begin + count]

    def header(self, position: int) -> Header | None:
        """Of the frame at a position, if all of it is there."""
        header = parsed(self.at(position, 4))
        return header if header and position + header.length <= self.size else None

    def sync(self, position: int, limit: int) -> int | None:
        """The first place from `position` on, before `limit`, where frames of one kind follow one another."""
        while position < limit:
            chunk = self.at(position, min(CHUNK, limit - position))
            found = chunk.find(b"\xff")
            if found < 0:
                position += max(len(chunk), 1)
            elif self._begins(position + found):
                return position + found
            else:
                position += found + 1
        return None

    def _begins(self, position: int) -> bool:
        first = header = self.header(position)
        for _ in range(SURE - 1):
            if not header or not first or header.kind != first.kind:
                return False
            position += header.length
            if position >= self.size - 3:
                return True
            following = parsed(self.at(position, 4))
            if following and following.kind == first.kind and position + following.length > self.size:
                return True  # the last one, cut off
            header = following
        return header is not None and first is not None and header.kind == first.kind


def runs(file: BinaryIO, size: int) -> list[Run]:
    """The frames of a file, in runs of one kind or of one header; none where it is no MP3.

    What lies between frames, as tags and damage, is in none of them.
    """
    data = _Bytes(file, size)
    begin = _past_tag(data, 0)
    found: list[Run] = []
    current: list[tuple[int, Header]] = []
    for position, header in _frames(data, begin):
        if current and (header.kind != current[0][1].kind or _info(data, position, header)):
            found.append(_run(data, current))
            current = []
        current.append((position, header))
    if current:
        found.append(_run(data, current))
    return [run for run in found if run.pieces]


def _past_tag(data: _Bytes, position: int) -> int:
    """The end of the ID3 tags at a position."""
    while (tag := data.at(position, 10)).startswith(b"ID3") and len(tag) == 10:
        position += 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9])
    return position


def _frames(data: _Bytes, position: int) -> Iterator[tuple[int, Header]]:
    limit = min(data.size, position + AHEAD)
    kind = None
    while True:
        header = data.header(position)
        if header is None or header.kind != kind:
            following = data.sync(_past_tag(data, position), limit)
            header = None if following is None else data.header(following)
            if following is None or header is None:
                return
            position, kind, limit = following, header.kind, data.size
        yield position, header
        position += header.length


def _info(data: _Bytes, position: int, header: Header) -> tuple[int, int] | None:
    """How many frames and samples follow, by a frame that holds no sound but says this (0 where it does not); None of others."""
    if header.layer != 3:
        return None
    frame = data.at(position, min(header.length, 256))
    at = 4 + _side(header)
    if frame[at : at + 4] in (b"Xing", b"Info") and len(frame) >= at + 12:
        flags, count = struct.unpack(">II", frame[at + 4 : at + 12])
        count *= flags & 1
        trimmed = 0
        if flags & 15 == 15 and len(frame) >= at + 144 and frame[at + 120]:  # what the encoder put around the sound
            delay = int.from_bytes(frame[at + 141 : at + 144], "big")
            trimmed = (delay >> 12) + (delay & 0xFFF)
        return count, max(count * header.samples - trimmed, 0)
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        count = int.from_bytes(frame[50:54], "big")
        return count, count * header.samples
    return None


def _side(header: Header) -> int:
    """Bytes of side information in a frame of layer 3."""
    return (17 if header.mono else 32) if header.mpeg1 else (9 if header.mono else 17)


def _run(data: _Bytes, frames: list[tuple[int, Header]]) -> Run:
    first, kind = frames[0]
    info = _info(data, first, kind)
    sound = frames[1:] if info else frames
    right = info is not None and info[0] == len(sound)
    pieces: list[tuple[int, int]] = []
    damage = 0
    for position, header in frames if right else sound:
        if pieces and pieces[-1][1] == position:
            pieces[-1] = (pieces[-1][0], position + header.length)
        else:
            if pieces and data.at(pieces[-1][1], 3) not in (b"TAG", b"ID3", b"APE"):
                damage += position - pieces[-1][1]
            pieces.append((position, position + header.length))
    stated = info[1] / kind.rate if info and info[0] else None
    if right or not sound:
        return Run(pieces if sound else [], stated, b"", damage)
    bytes_of_sound = sum(end - start for start, end in pieces)
    count = _xing(data.at(first, 4), len(sound), bytes_of_sound) if kind.layer == 3 else b""
    return Run(pieces, stated, count, damage)


def _xing(head: bytes, frames: int, size: int) -> bytes:
    """A frame without sound that states how many follow."""
    for bitrate in range(1, 15):
        begin = bytes((0xFF, head[1] | 1, bitrate << 4 | head[2] & 0x0C, head[3]))
        header = parsed(begin)
        if header and header.length >= 64:
            break
    assert header
    text = begin + bytes(_side(header)) + b"Xing" + struct.pack(">III", 3, frames, size + header.length)
    return text.ljust(header.length, b"\0")
