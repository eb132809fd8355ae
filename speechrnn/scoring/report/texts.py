"""Texts and numbers as HTML. Everything that was not written here goes through `text`."""

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote

from speechrnn.scoring.errors import Pair

NONE = "–"  # where a number is not known


def text(contents: object) -> str:
    """Something as text of a page or the value of an attribute, whatever stands in it."""
    return escape(str(contents), quote=True)


def anchor(kind: str, id: str) -> str:
    """The name of an utterance's place in the page, and what follows # in its address: ASCII letters, digits, -._~ and %."""
    return f"{kind}-{quote(id, safe='', errors='replace')}"


def aligned(alignment: Sequence[Pair]) -> str:
    """The reference with its errors: `said›heard`, `−left out`, `+put in`; also by shape, for those who see no colours."""
    parts = []
    for reference, hypothesis in alignment:
        if reference == hypothesis:
            parts.append(text(reference))
        elif hypothesis is None:
            parts.append(f"<del>−{text(reference)}</del>")
        elif reference is None:
            parts.append(f"<ins>+{text(hypothesis)}</ins>")
        else:
            parts.append(f"<span class=s><del>{text(reference)}</del>›<ins>{text(hypothesis)}</ins></span>")
    return " ".join(parts)


def stacked(alignment: Sequence[Pair]) -> str:
    """The alignment as pairs, what was said above what was heard."""
    pairs = []
    for reference, hypothesis in alignment:
        kind = "" if reference == hypothesis else " i" if reference is None else " d" if hypothesis is None else " s"
        above, below = text(reference or "+"), text(hypothesis or "−")
        pairs.append(f'<span class="pair{kind}"><bdi>{above}</bdi><bdi>{below}</bdi></span>')
    return f'<p class=stacked dir="{direction(alignment)}">{" ".join(pairs)}</p>'


def direction(alignment: Sequence[Pair]) -> str:
    """Which way the words are to stand beside each other: `rtl` if the first letter of either text is of such a script."""
    import unicodedata

    for word in (word for pair in alignment for word in pair if word):
        for letter in word:
            kind = unicodedata.bidirectional(letter)
            if kind in ("L", "R", "AL"):
                return "ltr" if kind == "L" else "rtl"
    return "auto"


def number(value: float | None, decimals: int = 2) -> str:
    """A number with so many decimals, or a dash."""
    return NONE if value is None else f"{value:.{decimals}f}"


def table(heads: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]], caption: str, kind: str = "") -> str:
    """A table that can be sorted by each column. `heads` are (name, class); class `n` is a column of numbers.

    Cells are HTML. The first of a row is its name.
    """
    head = "".join(f'<th scope=col class="{kind}"><button type=button>{text(name)}</button>' for name, kind in heads)
    body = []
    for row in rows:
        cells = "".join(
            f"<td class={kind}>{cell}" if kind else f"<td>{cell}"
            for cell, (_, kind) in zip(row[1:], heads[1:], strict=True)
        )
        body.append(f"<tr><th scope=row>{row[0]}{cells}\n")
    return (
        f'<div class=box tabindex=0 role=region aria-label="{text(caption)}"><table class="sortable {kind}">'
        f"<thead><tr>{head}<tbody>\n{''.join(body)}</table></div>"
    )
