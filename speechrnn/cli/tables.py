"""Aligned text."""

from collections.abc import Iterable, Mapping, Sequence

NAMED = 10  # names in one line: enough to find the cause


def table(rows: Sequence[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """Rows of cells as aligned lines; the columns in `numbers` are aligned to the right."""
    right = set(numbers)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def settings(values: Mapping) -> str:
    """Keys and values in one line."""
    return ", ".join(f"{key} {value}" for key, value in values.items()) or "-"


def counted(names: Sequence[str]) -> str:
    """How many there are, and the first of them."""
    more = " ..." if len(names) > NAMED else ""
    return f"{len(names)}: {' '.join(names[:NAMED])}{more}" if names else "0"


def cut(text: str, most: int = 60) -> str:
    """The text, or its beginning."""
    return text if len(text) <= most else text[: most - 4] + " ..."
