"""Links that hold on a code host, led to pages of the site: files outside docs/ become pages, folders plain text."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

# Files outside docs/ that are pages of their own, by their path in the checkout.
PAGES_OF_FILES = {"README.md": "readme.md", "CHANGELOG.md": "changelog.md"}
DOCS = "docs/"
LINK = re.compile(r"(?P<image>!?)\[(?P<label>[^\]]*)\]\((?P<target>[^)#\s:]+)(?P<anchor>#[^)]*)?\)")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".serving": "docker", ".proto": "protobuf"}
FENCE = "`" * 4


def within_site(root: Path, page: str, markdown: str) -> str:
    """The text of a page with every link to the checkout led to where the site shows the same.

    Args:
        root: the checkout.
        page: the page's path in the site, such as `serving.md`.
        markdown: its text; relative links start at the file that it came from.
    """

    def led(link: re.Match[str]) -> str:
        source = _source_of(page, link["target"])
        if source.startswith(DOCS):
            shown = source.removeprefix(DOCS)
        elif source in PAGES_OF_FILES:
            shown = PAGES_OF_FILES[source]
        elif (root / source).is_file():
            shown = page_of_source(source)
        else:
            return link["label"]
        target = posixpath.relpath(shown, posixpath.dirname(page) or ".")
        return f"{link['image']}[{link['label']}]({target}{link['anchor'] or ''})"

    return LINK.sub(led, markdown)


def linked_sources(root: Path, page: str, markdown: str) -> Iterator[str]:
    """Files of the checkout, outside docs/, that a page links to and that the site has no page of."""
    for link in LINK.finditer(markdown):
        source = _source_of(page, link["target"])
        if not source.startswith(DOCS) and source not in PAGES_OF_FILES and (root / source).is_file():
            yield source


def page_of_source(source: str) -> str:
    """Path in the site of the page that shows a source file."""
    return f"source/{source}.md"


def source_page(root: Path, source: str) -> str:
    """A page that shows a source file, and that the search leaves out."""
    language = LANGUAGES.get(Path(source).suffix, "text")
    text = (root / source).read_text(encoding="utf-8").rstrip()
    return f"---\nsearch:\n  exclude: true\n---\n\n# {source}\n\n{FENCE}{language}\n{text}\n{FENCE}\n"


def _source_of(page: str, target: str) -> str:
    """Path in the checkout that a link on a page leads to."""
    source = {shown: source for source, shown in PAGES_OF_FILES.items()}.get(page, DOCS + page)
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
