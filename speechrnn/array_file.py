"""Arrays by name in one file that opens by memory map: a line that tells the kind, a header in JSON, the arrays one by one."""

import json
import math
import mmap
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from speechrnn.errors import InputError
from speechrnn.files import write_atomically

ALIGNMENT = 64  # bytes: the arrays begin at a cache line


class ArrayFile(NamedTuple):
    """What a file holds."""

    header: dict[str, Any]
    arrays: dict[str, np.ndarray]


def write_arrays(
    path: str | os.PathLike, magic: bytes, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write a file, atomically. `magic` is its first line, with the line's end; `header` is what JSON can hold.

    Raises:
        OSError: it cannot be written.
    """
    parts, places, offset = [], {}, 0
    for name, array in arrays.items():
        places[name] = {"type": array.dtype.str, "shape": array.shape, "offset": offset}
        data = np.ascontiguousarray(array).tobytes()
        parts.append(data + bytes(-len(data) % ALIGNMENT))
        offset += len(parts[-1])
    whole = {**header, "size": offset, "arrays": places}
    first = magic + json.dumps(whole, ensure_ascii=False).encode() + b"\n"
    first += b"\n" * (-len(first) % ALIGNMENT)
    write_atomically(path, b"".join([first, *parts]))


def open_arrays(path: str | os.PathLike, magic: bytes, newest: int, what: str) -> ArrayFile | None:
    """The header and the arrays of a file, which stay where they are in it; None if the file does not begin with `magic`.

    `what` it is expected to be stands in errors; `newest` is the newest `format` of the header that the caller reads.

    Raises:
        OSError: it cannot be read.
        InputError: it is damaged, or of a newer format.
    """
    with open(path, "rb") as file:
        if file.read(len(magic)) != magic:
            return None
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        end = data.find(b"\n", len(magic))
        header = json.loads(data[len(magic) : end])
        if header["format"] > newest:
            raise InputError(f"{path}: format {header['format']}: this speechrnn reads up to format {newest}; upgrade")
        begin = -(-(end + 1) // ALIGNMENT) * ALIGNMENT
        size = begin + header.pop("size")
        if len(data) != size:
            raise InputError(f"{path}: expected {what} of {size} bytes, found {len(data)}: truncated?")
        arrays = {}
        for name, place in header.pop("arrays").items():
            kind, count = np.dtype(place["type"]), math.prod(place["shape"])
            array = np.frombuffer(data, kind, count, begin + place["offset"])
            arrays[name] = array.reshape(place["shape"])
        return ArrayFile(header, arrays)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: expected {what} of ours, found a damaged one ({error!r})") from None
