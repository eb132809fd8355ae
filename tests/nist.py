"""NIST's sclite for the tests that compare with it: Debian's package sctk."""

import os
import re
import shutil
import subprocess

import pytest

from speechrnn.scoring.errors import ErrorCounts

STEP = re.compile(r'([CSDI]),(?:"([^"]*)")?,(?:"([^"]*)")?(?:,[^:]*)?(?::|$)')


def command() -> list[str]:
    """How sclite is called here; skips the test, or fails it where SPEECHRNN_REQUIRE_SCLITE is set, if it is not installed."""
    if shutil.which("sclite"):
        return ["sclite"]
    if shutil.which("sctk"):  # Debian's way in
        return ["sctk", "sclite"]
    missing = "NIST's sclite is not installed: `apt install sctk`"
    if os.environ.get("SPEECHRNN_REQUIRE_SCLITE"):
        pytest.fail(missing)
    pytest.skip(missing)


def run(*arguments, report: str = "sgml") -> str:
    """What sclite reports of references (`-r FILE FORM`) and hypotheses (`-h FILE FORM`)."""
    done = subprocess.run(
        [*command(), *map(str, arguments), "-s", "-o", report, "stdout"],
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0 and "rror:" not in done.stderr, done.stdout + done.stderr
    return done.stdout


def alignments(sgml: str) -> dict[str, list[tuple[str | None, str | None]]]:
    """The aligned pairs of each utterance by its id (without the parentheses), None for an insertion or a deletion."""
    found = {}
    for id, body in re.findall(r'<PATH id="\((.*?)\)"[^>]*>\n(.*?)\n?</PATH>', sgml, re.DOTALL):
        steps = STEP.findall(body)
        assert not STEP.sub("", body)
        found[id] = [(None if kind == "I" else ours, None if kind == "D" else theirs) for kind, ours, theirs in steps]
    return found


def totals(*arguments) -> ErrorCounts:
    """The errors of all utterances: the row `| Sum | sentences words | Corr Sub Del Ins Err S.Err |` of the raw summary."""
    (row,) = re.findall(r"^ *\| *Sum *\|(.*)", run(*arguments, report="rsum"), re.MULTILINE)
    _, words, correct, substitutions, deletions, insertions, *_ = map(int, re.findall(r"\d+", row))
    assert correct + substitutions + deletions == words
    return ErrorCounts(insertions, deletions, substitutions, words)
