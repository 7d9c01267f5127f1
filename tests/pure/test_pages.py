"""The site's pages, before MkDocs has them: each page of the documentation is one, and each link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from distribution.pages import REPOSITORY, ROOT, on_site, write_pages


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site") / "pages"
    write_pages(directory)
    return directory


def in_menu(entry: object) -> list[str]:
    """The pages that an entry of the site's menu has."""
    if isinstance(entry, dict):
        return [page for value in entry.values() for page in in_menu(value)]
    return [page for each in entry for page in in_menu(each)] if isinstance(entry, list) else [str(entry)]


def test_the_menu_has_every_page_once(pages: Path) -> None:
    menu = in_menu(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"])
    assert sorted(menu) == sorted(path.relative_to(pages).as_posix() for path in pages.rglob("*.md"))


def test_every_link_leads_to_a_page_or_to_the_repository(pages: Path) -> None:
    count = 0
    for page in pages.rglob("*.md"):
        for link in re.findall(r"\]\(([^)\s#]+)", page.read_text("utf-8")):
            count += 1
            if "://" in link:
                inside = link.removeprefix(REPOSITORY).partition("/main/")[2]
                assert not link.startswith(f"{REPOSITORY}/blob") or (ROOT / inside).is_file(), link
            else:
                assert (page.parent / link).exists(), f"{page}: {link}"
    assert count > 100


def test_the_readme_is_the_front_page(pages: Path) -> None:
    assert on_site("README.md") == "index.md"
    assert "](docs/" not in (pages / "index.md").read_text("utf-8")


def test_the_site_asks_nobody_else_when_it_is_shown() -> None:
    """Material would ask Google for fonts and GitHub for stars."""
    theme = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["theme"]
    assert theme["font"] is False
    ours = (ROOT / theme["custom_dir"] / "partials" / "source.html").read_text("utf-8")
    assert "config.repo_url" in ours
    assert "data-md-component" not in ours
