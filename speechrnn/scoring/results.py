"""What evaluations leave behind: the rows of results.jsonl, RESULTS.md rendered from them, and the log of a test set."""

import json
import os
import re
import statistics
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from speechrnn.errors import InputError
from speechrnn.files import read_json_lines, write_atomically
from speechrnn.scoring.errors import ErrorCounts, percent

# A row with the same of all of these replaces the older one.
KEY = ("system", "manifest", "seed", "normaliser", "alignment", "decoding")
# What a row must hold to be rendered; "words" and "characters" hold the fields of ErrorCounts.
REQUIRED = (*KEY, "date", "utterances", "words", "characters", "command")

INTRODUCTION = """\
# Results

Written by `speechrnn evaluate --record`; do not edit. The rows are those of `{source}`, which also holds the versions,
the number of processors and the character errors.
"""


def read_rows(path: str | os.PathLike) -> list[dict]:
    """The rows of a results.jsonl; none if there is no such file yet.

    Raises:
        InputError: it cannot be read, or a line is not a row of results.
    """
    path = Path(path)
    if path.suffix != ".jsonl":  # RESULTS.md itself, say, which would be lost
        raise InputError(f"{path}: expected the name of a .jsonl file of results (RESULTS.md is written beside it)")
    if not path.exists():
        return []
    rows = []
    for where, line, row in read_json_lines(path, "rows of results (JSON lines)", line_is="a row of results"):
        try:
            missing = [key for key in REQUIRED if key not in row]
            ErrorCounts(**row["words"]), ErrorCounts(**row["characters"])
        except (ValueError, KeyError, TypeError):
            missing = ["a row of results"]
        if missing:
            raise InputError(f"{where}: expected {', '.join(missing)}, found {line[:60]!r}")
        rows.append(row)
    return rows


def append_row(path: str | os.PathLike, row: dict) -> None:
    """Add a row to a results.jsonl in place of an older one with the same `KEY`; render RESULTS.md.

    Raises:
        InputError: the file holds something else than rows of results; it is left as it is.
    """
    path = Path(path)
    with _alone(path):
        rows = [old for old in read_rows(path) if any(old[key] != row[key] for key in KEY)] + [row]
        write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        write_atomically(path.with_name("RESULTS.md"), render(rows, path.name))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else adds a row meanwhile: seeds may be evaluated side by side. (Windows has no flock: there it is up to luck.)"""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ModuleNotFoundError:
        yield
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def render(rows: Sequence[dict], source: str = "results.jsonl") -> str:
    """RESULTS.md: for each manifest and system a table with a row a seed, the mean over the seeds, and the commands.

    The standard deviation is that of a sample (n - 1 below the line).
    """
    parts = [INTRODUCTION.format(source=source)]
    for manifest in dict.fromkeys(row["manifest"] for row in rows):
        parts.append(f"\n## {manifest}\n")
        of_manifest = [row for row in rows if row["manifest"] == manifest]
        for how in dict.fromkeys(map(_how, of_manifest)):
            seeds = [row for row in of_manifest if _how(row) == how]
            parts.append(_section(how[0], sorted(seeds, key=lambda row: (row["seed"] is None, row["seed"] or 0))))
    return "".join(parts)


def _how(row: dict) -> tuple[str, ...]:
    """What the rows of one table have in common, the system first."""
    return tuple(row[key] for key in KEY if key not in ("manifest", "seed"))


def _section(system: str, rows: Sequence[dict]) -> str:
    about = dict.fromkeys(_about(row) for row in rows)
    return (
        f"\n### {system}\n\n"
        + "".join(f"{sentence}\n" for sentence in about)
        + "\n| seed | WER % | 95 % by utterances | by speakers | words | CER % | minutes | RTF | date | commit |\n"
        + "|---|---|---|---|---|---|---|---|---|---|\n"
        + "".join(_table_row(row) for row in rows)
        + f"\n{_mean(rows)}\n\n"
        + "".join(f"    {row['command']}\n" for row in rows)
    )


def _about(row: dict) -> str:
    data = row.get("data")
    facts = {
        "training data": ", ".join(data) if isinstance(data, list) else data,
        "parameters": _number(row.get("parameters"), ",d"),
        "decoding": row["decoding"],
        "normaliser": row["normaliser"],
        "alignment": row["alignment"],
        "utterances": row["utterances"],
    }
    return "; ".join(f"{name}: {value}" for name, value in facts.items() if value is not None)


def _table_row(row: dict) -> str:
    words, characters = ErrorCounts(**row["words"]), ErrorCounts(**row["characters"])
    cells = [
        row["seed"],
        percent(words.rate),
        *(_interval(row, unit) for unit in ("utterances", "speakers")),
        words.line().split(maxsplit=2)[2],
        percent(characters.rate),
        _number(row.get("minutes"), ".1f"),
        _number(row.get("rtf"), ".4f"),
        row["date"][:10],
        row.get("commit"),
    ]
    return "| " + " | ".join("-" if cell is None else str(cell).replace("|", "\\|") for cell in cells) + " |\n"


def _interval(row: dict, unit: str) -> str | None:
    ends = row.get("intervals", {}).get(unit)
    return ends and " to ".join(map(percent, ends))


def _number(value: float | None, form: str) -> str | None:
    return None if value is None else format(value, form)


def _mean(rows: Sequence[dict]) -> str:
    over = f"Mean over {len(rows)} seeds (n = {len(rows)})" if len(rows) > 1 else "One seed (n = 1)"
    wer = _mean_and_deviation(ErrorCounts(**row["words"]).rate for row in rows)
    cer = _mean_and_deviation(ErrorCounts(**row["characters"]).rate for row in rows)
    return f"{over}: WER {wer}; CER {cer}."


def _mean_and_deviation(rates: Iterable[float | None]) -> str:
    known = []
    for rate in rates:
        if rate is None:
            return "n/a"
        known.append(rate)
    mean = f"{statistics.mean(known):.2f} %"
    return mean if len(known) == 1 else f"{mean}, standard deviation {statistics.stdev(known):.2f}"


def git_commit(apart_from: Iterable[str | os.PathLike] = (), folder: str | os.PathLike = ".") -> str | None:
    """The short commit that a folder is at, with `-dirty` if a tracked file differs from it; None outside git.

    Files in `apart_from` do not make it dirty: recording the first seed changes the very files of the second.
    """

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", folder, *arguments],
                check=False,
                capture_output=True,
                encoding="utf-8",
                errors="surrogateescape",
            )
        except OSError:  # no git here
            return None
        return done.stdout if done.returncode == 0 else None

    commit, root = git("rev-parse", "--short", "HEAD"), git("rev-parse", "--show-toplevel")
    if commit is None or root is None:
        return None
    changed = (git("diff", "--name-only", "-z", "HEAD") or "").split("\0")
    allowed = {Path(path).resolve() for path in apart_from}
    dirty = any((Path(root.rstrip("\n")) / name).resolve() not in allowed for name in changed if name)
    return commit.strip() + ("-dirty" if dirty else "")


def is_test_set(manifest: str | os.PathLike) -> bool:
    """Whether a manifest is a test set: its name says so, as in `test.jsonl` or `test-clean.jsonl`."""
    return re.search(r"(^|[^a-z])test", Path(manifest).stem.lower()) is not None


def log_evaluation(manifest: str | os.PathLike, entry: dict) -> int:
    """Append an entry to the log of a test set, `<stem>.evaluations.jsonl` beside it.

    Returns how many evaluations the log now holds: a test set that was looked at often is no longer unseen.

    Raises:
        OSError: the log cannot be written.
    """
    manifest = Path(manifest)
    log = manifest.with_name(f"{manifest.stem}.evaluations.jsonl")
    with open(log, "a+", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        file.flush()
        file.seek(0)
        return sum(1 for line in file if line.strip())
