"""A hook of mkdocs: pages from outside docs/ join the site, and links between the two stay right.

In the repository a page links to another by its path, so that the links work where the files are read as they are. On the
site the pages of docs/ stand at the top, and all other pages at their path in the repository; README.md is index.md.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
OUTSIDE = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"),
    *(
        "recipes/*/README.md",
        "recipes/*/RESULTS.md",
        "recipes/*/EXPERIMENTS.md",
        "speechrnn/pretrained/*/MODEL_CARD.md",
    ),
)
LINK = re.compile(r"(?<!!)\[([^\]\[]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def pages() -> list[str]:
    """The paths in the repository of all pages outside docs/."""
    return sorted(path.relative_to(ROOT).as_posix() for pattern in OUTSIDE for path in ROOT.glob(pattern))


def site_path(path: str) -> str:
    """The path on the site of a file of the repository."""
    return "index.md" if path == "README.md" else path.removeprefix("docs/")


def in_repository(path: str) -> str:
    """The path in the repository of a page of the site."""
    if path == "index.md":
        return "README.md"
    return path if path in pages() else f"docs/{path}"


def on_files(files, config):
    for path in pages():
        files.append(File.generated(config, site_path(path), content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links to pages are rewritten; a link to another file of the repository becomes its name."""
    folder = posixpath.dirname(in_repository(page.file.src_uri))
    here = posixpath.dirname(page.file.src_uri)

    def rewritten(link: re.Match) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        path = posixpath.normpath(posixpath.join(folder, target))
        for each in (path, posixpath.join(path, "README.md")):
            if files.get_file_from_path(site_path(each)):
                return f"[{text}]({posixpath.relpath(site_path(each), here or '.')}{anchor})"
        return text if (ROOT / path).exists() else link[0]  # a link to nothing stays, and mkdocs names it

    return LINK.sub(rewritten, markdown)
