"""A plan for its reader: unified diffs that show the names of settings and the values that change, no others.

A configuration may hold keys under any name, and in comments too. So only clipal's own values are shown, and those of
the replaced values that are a short word or the beginning of a URL.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from difflib import unified_diff
from typing import Final

from clipal.connect.edits import ANY_VALUE, Edit
from clipal.connect.plan import FileChange, Plan

_HARMLESS: Final = re.compile(r"""["']?(?:https?://[\w.:\[\]-]+/?|[a-z][a-z0-9_-]{0,19})?["']?""")


def diff(plan: Plan) -> Iterator[str]:
    """The lines that tell what `plan` would change in the client's files."""
    for file in plan.files:
        path, before, after = str(file.change.path), file.change.before, file.change.after
        old, new = "/dev/null" if before is None else path, "/dev/null" if after is None else path
        yield from map(_printable, unified_diff(_lines(file, before), _lines(file, after), old, new, lineterm=""))


def show(plan: Plan) -> None:
    """Prints the lines, with `?` for characters that the terminal's encoding lacks."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in diff(plan):
        print(line.encode(encoding, "replace").decode(encoding))


def _lines(file: FileChange, content: bytes | None) -> list[str]:
    text = (content or b"").decode("utf-8").removeprefix("\ufeff")
    return file.syntax.masked(text, _plain(file)).splitlines()


def _plain(file: FileChange) -> frozenset[str]:
    """The raw values that may be shown."""
    ours = {file.syntax.literal(each.new) for each in file.done.edits if not _is_token(each)}
    theirs = {each.old for each in file.done.edits if each.old is not None and _HARMLESS.fullmatch(each.old)}
    return frozenset(ours | theirs)


def _is_token(edit: Edit) -> bool:
    """Whether `edit` sets the token that `connect` was given."""
    return edit.new != ANY_VALUE and edit.path[-1].lower().endswith(("token", "key"))


def _printable(line: str) -> str:
    """`line` with `?` for control characters."""
    return "".join(each if each.isprintable() else "?" for each in line.replace("\t", "    "))
