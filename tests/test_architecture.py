"""docs/architecture.md names each file of the code once, and nothing that is not there."""

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"


def named() -> Counter:
    """How often each path stands in the list: names of files follow the name of their folder."""
    found: Counter = Counter()
    folder = ""
    for name in re.findall(r"`(speechrnn/[\w/]*|[\w]+\.py)`", PAGE.read_text(encoding="utf-8").split("## Files\n")[1]):
        if name.endswith("/"):
            folder = name
        else:
            found[folder + name] += 1
    return found


def holds_code(path: Path) -> bool:
    """Whether it is more than the docstring of a package."""
    return path.name != "__init__.py" or len(ast.parse(path.read_text(encoding="utf-8")).body) > 1


def test_each_file_is_named_once_and_nothing_else():
    paths = (path for path in (ROOT / "speechrnn").rglob("*.py") if holds_code(path))
    assert named() == Counter(path.relative_to(ROOT).as_posix() for path in paths)


def test_the_page_is_short():
    assert len(PAGE.read_text(encoding="utf-8").splitlines()) <= 120
