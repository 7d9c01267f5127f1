"""`python -m distribution.pages DIRECTORY`: the documentation as MkDocs takes it, out of README.md and `docs/`.

In the repository a link may lead to any file; on the site, one that leads out of `docs/` leads to the repository.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from os.path import normpath
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
REPOSITORY: Final = "https://github.com/clipal/clipal"
HOMES: Final = {"README.md": "index.md", "README.zh-CN.md": "index.zh-CN.md", "docs/README.md": "contents.md"}
"""Pages that have another name on the site, by their paths in the repository."""
_LINK: Final = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")


def write_pages(directory: Path) -> None:
    """Writes the pages, and what they show, into `directory`, which is made anew."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(ROOT / "docs", directory)
    (directory / "README.md").unlink()
    for source in [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("README*.md")]:
        path = source.relative_to(ROOT).as_posix()
        (directory / on_site(path)).write_text(_LINK.sub(_leading_from(path), source.read_text("utf-8")), "utf-8")


def on_site(path: str) -> str:
    """Where a page of the repository is on the site."""
    return HOMES.get(path, path.removeprefix("docs/"))


def _leading_from(page: str) -> Callable[[re.Match[str]], str]:
    """What turns a link of `page` into one of the site."""
    parent, depth = Path(page).parent, on_site(page).count("/")

    def turned(link: re.Match[str]) -> str:
        if "://" in link[2] or link[2].startswith("mailto:"):
            return link[0]
        target = normpath(parent / link[2]).replace("\\", "/")
        if not (ROOT / target).exists():
            raise SystemExit(f"{page}: there is no {link[2]}")
        if target.startswith("docs/") or target in HOMES:
            return f"{link[1]}{'../' * depth}{on_site(target)}{link[3]}"
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{link[1]}{REPOSITORY}/{kind}/main/{target}{link[3]}"

    return turned


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
