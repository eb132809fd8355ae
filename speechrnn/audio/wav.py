"""The samples of a RIFF file, found in its data: programs that do not close a recording leave its sizes at 0."""

import struct
from typing import BinaryIO, NamedTuple

STREAMED = 0x7FFF_0000  # bytes; a data size from here upwards is what programs write that do not know it yet
LONGEST = 0xFFFF_FFFF - 4096  # bytes of samples that a RIFF file can hold


class Riff(NamedTuple):
    """Where the samples lie, as (start, end) in bytes, how many bytes the header states, and the chunks to put before them."""

    samples: tuple[int, int]
    stated: int
    chunks: bytes
    bytes_a_second: int

    @property
    def header(self) -> bytes:
        size = self.samples[1] - self.samples[0]
        chunks = b"WAVE" + self.chunks + b"data" + struct.pack("<I", size)
        return b"RIFF" + struct.pack("<I", len(chunks) + size) + chunks


def riffs(file: BinaryIO, size: int) -> list[Riff]:
    """The recordings in a file, one after another; none where it is no RIFF file of a kind that is understood."""
    found: list[Riff] = []
    position = 0
    while 0 <= position < size:
        file.seek(position)
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            break
        riff, position = _riff(file, position + 12, size)
        if riff:
            found.append(riff)
    return found


def _riff(file: BinaryIO, position: int, size: int) -> tuple[Riff | None, int]:
    """One of them, whose chunks begin at a position, and where the next one may begin."""
    kept, bytes_a_second = b"", 0
    data: tuple[int, int] | None = None
    stated = 0
    while True:
        identity, length = _chunk(file, position)
        begin = position + 8
        if identity == b"data" and kept and (data is None or data[0] == data[1]):
            stated = length if data is None else 0
            end = begin + length
            ends = [place for place in (end + (length & 1), end) if _may_end(file, place, size, length > 0)]
            if not ends or length >= STREAMED:
                data = (begin, min(size, begin + LONGEST))
                break
            data, position = (begin, end), ends[0]
        elif identity in (b"", b"RIFF") or not _is_chunk(identity) or begin + length > size:
            break
        else:
            if identity in (b"fmt ", b"fact") and length <= 1024:
                body = file.read(length)
                kept += identity + struct.pack("<I", length) + body + b"\0" * (length & 1)
                if identity == b"fmt " and length >= 12:
                    bytes_a_second = int.from_bytes(body[8:12], "little")
            position = begin + length + (length & 1)
    riff = Riff(data, stated, kept, bytes_a_second) if data and data[1] > data[0] and bytes_a_second else None
    return riff, size if data and data[1] >= size else position


def _chunk(file: BinaryIO, position: int) -> tuple[bytes, int]:
    file.seek(position)
    head = file.read(8)
    return (head[:4], int.from_bytes(head[4:8], "little")) if len(head) == 8 else (b"", 0)


def _is_chunk(identity: bytes) -> bool:
    return len(identity) == 4 and all(32 <= byte < 127 for byte in identity)


def _may_end(file: BinaryIO, position: int, size: int, padded: bool) -> bool:
    """Whether the samples may end here: the file does, or a chunk or a tag begins, or, if `padded`, only zeros follow."""
    if position > size:
        return False
    identity, length = _chunk(file, position)
    if identity[:3] in (b"", b"TAG", b"ID3") or identity == b"RIFF":
        return True
    if _is_chunk(identity):
        return position + 8 + length <= size + 1
    file.seek(position)
    while padded and (block := file.read(1 << 20)):
        padded = not block.strip(b"\0")
    return padded
