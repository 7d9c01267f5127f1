"""What `clipal connect` did to one client's files, so that `clipal disconnect` can undo it.

Each client has a JSON file in the directory `connected` beside clipal's configuration. Beside it is a backup of each
changed file. Only the owner can read records and backups, because they may hold keys.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from attrs import asdict, field, frozen

from clipal.connect.edits import SYNTAXES, Changed, Edit, Edited, undone
from clipal.connect.files import FileError, Replacement, decoded, read_settings_file
from clipal.connect.formats.syntax import Syntax, UnreadableFile

_RECORD_VERSION: Final = 1


@frozen
class FileRecord:
    """One file.

    Attributes:
        before: the digest of the content before; None if there was no file.
        after: the digest of the content that was written.
        backup: the name of the file with the content before; None if there was no file.
        directories: the directories that were made for the file, outermost first.
    """

    path: Path
    syntax: Syntax
    before: str | None
    after: str
    backup: str | None
    directories: tuple[Path, ...]
    done: Edited = field(repr=False)


@frozen
class Record:
    """One client's files; `path` is the record's own."""

    path: Path
    files: tuple[FileRecord, ...] = ()

    def file(self, path: Path) -> FileRecord | None:
        """The record of the file at `path`; None where it has none."""
        return next((each for each in self.files if each.path == path), None)

    def within(self, home: Path | None) -> tuple[FileRecord, ...]:
        """The records of files in the directory `home`; all records where that is None."""
        if home is None:
            return self.files
        homes = (home, Path(os.path.realpath(home)))
        return tuple(each for each in self.files if any(map(each.path.is_relative_to, homes)))

    def restored(self, file: FileRecord, *, leave_changed: bool = False) -> Replacement:
        """How `file` gets back its content: from the backup if nothing has changed since, else by undoing its edits.

        Raises:
            FileError: the file is broken, or a value has been changed since and `leave_changed` is not given.
        """
        current = read_settings_file(file.path)
        if current is None or digest(current) == file.before:
            return Replacement(file.path, current, current)
        if digest(current) == file.after:
            content = None if file.backup is None else read_settings_file(self.path.parent / file.backup)
            if file.before == (None if content is None else digest(content)):
                return Replacement(file.path, current, content)
        return Replacement(file.path, current, self._undone(file, current, leave_changed))

    def _undone(self, file: FileRecord, current: bytes, leave_changed: bool) -> bytes | None:
        try:
            text = undone(file.syntax, decoded(file.path, current), file.done, leave_changed=leave_changed)
        except UnreadableFile as error:
            raise FileError(file.path, error.line, error.problem) from None
        except Changed as error:
            raise FileError(file.path, None, self._refusal(error.edit)) from None
        if file.before is None and text.strip() in ("", file.syntax.blank):
            return None
        return text.encode("utf-8")

    def _refusal(self, edit: Edit) -> str:
        name = ".".join(edit.path)
        ways = f"set it to {edit.new} again, or leave it as it is by `clipal disconnect --force`"
        return f"{name} was changed by hand; {ways}"


def digest(content: bytes) -> str:
    """The SHA-256 of `content`, in hexadecimal."""
    return sha256(content).hexdigest()


def load_record(path: Path) -> Record | None:
    """The record at `path`; None if there is none.

    Raises:
        FileError: the file cannot be read, or is no such record.
    """
    content = read_settings_file(path)
    if content is None:
        return None
    try:
        return Record(path, tuple(map(_file, _fields(json.loads(content))["files"])))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise FileError(path, None, "is not a record of `clipal connect`") from None


def written(record: Record) -> bytes:
    """`record` as its file holds it."""
    document = {"version": _RECORD_VERSION, "files": [_document(each) for each in record.files]}
    return json.dumps(document, indent=2).encode("ascii") + b"\n"


def _document(file: FileRecord) -> dict[str, Any]:
    return {
        "path": str(file.path),
        "syntax": file.syntax.name,
        "before": file.before,
        "after": file.after,
        "backup": file.backup,
        "directories": [str(each) for each in file.directories],
        "edits": [asdict(each) for each in file.done.edits],
        "made": file.done.made,
    }


def _fields(document: Any) -> Any:
    if document["version"] != _RECORD_VERSION:
        raise ValueError
    return document


def _file(document: Any) -> FileRecord:
    edits = (Edit(_names(each["path"]), _text_or_none(each["old"]), _text(each["new"])) for each in document["edits"])
    before, backup = _text_or_none(document["before"]), _text_or_none(document["backup"])
    if (before is None) != (backup is None) or (
        backup is not None and not (Path(backup).name == backup and backup.endswith(".backup"))
    ):
        raise ValueError  # a record must name no other file than a backup beside it: that file is read and removed
    return FileRecord(
        _path(document["path"]),
        SYNTAXES[_text(document["syntax"])],
        before,
        _text(document["after"]),
        backup,
        tuple(map(_path, _list(document["directories"]))),
        Edited("", tuple(edits), tuple(map(_names, _list(document["made"])))),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError
    value.encode("utf-8", "surrogateescape")
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _names(value: Any) -> tuple[str, ...]:
    names = tuple(map(_text, _list(value)))
    if not names:
        raise ValueError
    return names


def _path(value: Any) -> Path:
    if not value:
        raise ValueError
    return Path(_text(value))
