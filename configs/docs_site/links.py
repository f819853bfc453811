"""Links that hold on a code host, led to pages of the site: files outside docs/ become pages, folders plain text."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

DOCS = "docs/"
# Where the site has the pages of the checkout's top.
PROJECT = "project/"
CODE = r"^(?P<fence>`{3,})(?s:.*?)^(?P=fence)$|`[^`\n]+`"
LINK = re.compile(
    rf"{CODE}|(?P<image>!?)\[(?P<label>[^\]]*)\]\((?P<target>[^)#\s:]+)(?P<anchor>#[^)]*)?\)", flags=re.MULTILINE
)
LANGUAGES = {".py": "python", ".yaml": "yaml", ".serving": "docker", ".proto": "protobuf"}
FENCE = "`" * 4


def pages_of_top(root: Path) -> dict[str, str]:
    """Documents at the top of the checkout, such as `CHANGELOG.md`, and the pages that the site makes of them."""
    return {path.name: f"{PROJECT}{path.name.lower()}" for path in sorted(root.glob("*.md"))}


def within_site(root: Path, page: str, markdown: str) -> str:
    """The text of a page with every link to the checkout led to where the site shows the same.

    Args:
        root: the checkout.
        page: the page's path in the site, such as `serving.md`.
        markdown: its text; relative links start at the file that it came from.
    """
    top = pages_of_top(root)

    def led(link: re.Match[str]) -> str:
        if link["target"] is None:
            return link[0]
        source = _source_of(page, link["target"])
        if source.startswith(DOCS):
            shown = source.removeprefix(DOCS)
        elif source in top:
            shown = top[source]
        elif (root / source).is_file():
            shown = page_of_source(source)
        else:
            return link["label"]
        target = posixpath.relpath(shown, posixpath.dirname(page) or ".")
        return f"{link['image']}[{link['label']}]({target}{link['anchor'] or ''})"

    return LINK.sub(led, markdown)


def linked_sources(root: Path, page: str, markdown: str) -> Iterator[str]:
    """Files of the checkout, outside docs/, that a page links to and that the site has no page of."""
    top = pages_of_top(root)
    targets = [link["target"] for link in LINK.finditer(markdown)]
    for source in (_source_of(page, target) for target in targets if target is not None):
        if not source.startswith(DOCS) and source not in top and (root / source).is_file():
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
    folder = "" if page.startswith(PROJECT) else posixpath.dirname(DOCS + page)
    return posixpath.normpath(posixpath.join(folder, target))
