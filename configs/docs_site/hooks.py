"""What MkDocs calls while it builds: pages made from the code join those of docs/, links are led to pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

from configs.docs_site.command_pages import command_page
from configs.docs_site.links import linked_sources, page_of_source, pages_of_top, source_page, within_site
from configs.docs_site.protocol_pages import protocol_page
from configs.docs_site.python_pages import navigation, public_modules, python_page
from configs.docs_site.settings_pages import settings_page

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
# The section of the navigation that the pages of the Python interface fill.
PYTHON_SECTION = "Python"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the pages of the Python interface in the navigation, where its empty section stands."""
    reference = next(entry["Reference"] for entry in config.nav or [] if "Reference" in entry)
    section = next(entry for entry in reference if PYTHON_SECTION in entry)
    section[PYTHON_SECTION] = navigation(public_modules(ROOT))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that no file in docs/ holds."""
    written = {page: (ROOT / source).read_text(encoding="utf-8") for source, page in pages_of_top(ROOT).items()}
    here = [*written.items(), *((file.src_uri, file.content_string) for file in files.documentation_pages())]
    sources = {source for page, text in here for source in linked_sources(ROOT, page, text)}
    made = {
        "reference/commands.md": command_page(),
        "reference/pipeline_settings.md": settings_page("pipeline"),
        "reference/service_settings.md": settings_page("service"),
        "reference/protocol.md": protocol_page(ROOT),
        **{module.page: python_page(ROOT, module) for module in public_modules(ROOT)},
        **{page_of_source(source): source_page(ROOT, source) for source in sorted(sources)},
    }
    for name, text in {**written, **made}.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links out of docs/ to the site's own pages of those files."""
    return within_site(ROOT, page.file.src_uri, markdown)
