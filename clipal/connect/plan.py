"""What `connect` and `disconnect` would do; the plan is made before anything is written.

Where a client is connected already, the plan starts from the files as they were before the first connection, so that
the record leads back to these. The record is written before the client's files, and removed after them, so that a
record exists at each moment at which a file is changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final

from attrs import frozen

from clipal.connect.client import ClientFile
from clipal.connect.edits import Edited, edited
from clipal.connect.files import (
    FileError,
    Replacement,
    decoded,
    missing_directories,
    read_settings_file,
    remove_directories,
    write_all,
)
from clipal.connect.formats.syntax import Syntax, UnreadableFile
from clipal.connect.record import FileRecord, Record, digest, written

RECORDS: Final = "connected"
"""The name of the records' directory, in clipal's configuration directory."""


@frozen
class FileChange:
    """A change of a client's file, its format, and the edits that it makes or undoes."""

    change: Replacement
    syntax: Syntax
    done: Edited


@frozen
class Plan:
    """All that is to be done for one client.

    Attributes:
        files: the changes of the client's own files.
        first: changes of clipal's record and backups before those.
        last: changes of clipal's record and backups after those.
        emptied: directories to remove in the end if they are empty.
    """

    files: tuple[FileChange, ...] = ()
    first: tuple[Replacement, ...] = ()
    last: tuple[Replacement, ...] = ()
    emptied: tuple[Path, ...] = ()

    def carry_out(self) -> None:
        """Makes all changes, or none.

        Raises:
            FileError: a file could not be written.
        """
        changes = (*self.first, *(each.change for each in self.files), *self.last)
        write_all([each for each in changes if each.before != each.after])
        remove_directories(self.emptied)


def connection(files: Iterable[ClientFile], record: Record) -> Plan:
    """How a client with these files is connected; a plan without files where it is connected already.

    Parameters:
        record: of the last connection; without files where there was none.

    Raises:
        FileError: a file is broken or cannot be read.
    """
    files = tuple(files)
    if not any(_edited(each, read_settings_file(each.path)).edits for each in files):
        return Plan()
    steps = [_step(each, record) for each in files]
    paths = {each.path for each in files}
    # Files elsewhere stay in the record: CODEX_HOME, say, may have been another one then.
    elsewhere = (each for each in record.files if each.path not in paths)
    new = Record(record.path, (*elsewhere, *(each.record for each in steps if each.record is not None)))
    backups = (each.backup for each in steps if each.backup is not None)
    return Plan(
        tuple(each.file for each in steps if each.file.change.before != each.file.change.after),
        (*backups, Replacement(record.path, read_settings_file(record.path), written(new))),
    )


def disconnection(record: Record, home: Path | None = None, *, leave_changed: bool = False) -> Plan:
    """How a client's files get back what they had.

    Parameters:
        home: only files in this directory.
        leave_changed: leave a value as it is where it has been changed since.

    Raises:
        FileError: a file is broken or cannot be read, or a value has been changed since and `leave_changed` is not
            given.
    """
    chosen = record.within(home)
    others = Record(record.path, tuple(each for each in record.files if each not in chosen))
    files = (FileChange(record.restored(each, leave_changed=leave_changed), each.syntax, each.done) for each in chosen)
    changed = tuple(each for each in files if each.change.before != each.change.after)
    backups = (record.path.parent / each.backup for each in chosen if each.backup is not None)
    last = [Replacement(record.path, read_settings_file(record.path), written(others) if others.files else None)]
    last += [Replacement(path, read_settings_file(path), None) for path in backups]
    directories = {directory for each in chosen for directory in each.directories}
    emptied = (record.path.parent, *sorted(directories, key=lambda path: len(path.parts)))
    return Plan(changed, (), tuple(last), emptied)


@frozen
class _Step:
    """One file of a connection; without record and backup where nothing will have to be undone."""

    file: FileChange
    record: FileRecord | None = None
    backup: Replacement | None = None


def _step(file: ClientFile, record: Record) -> _Step:
    earlier = record.file(file.path)
    current = read_settings_file(file.path)
    before = current if earlier is None else record.restored(earlier, leave_changed=True).after
    done = _edited(file, before)
    if not done.edits:
        return _Step(FileChange(Replacement(file.path, current, before), file.syntax, done))
    after = done.text.encode("utf-8")
    change = FileChange(Replacement(file.path, current, after), file.syntax, done)
    directories = missing_directories(file.path) or (() if earlier is None else earlier.directories)
    if before is None:
        return _Step(change, FileRecord(file.path, file.syntax, None, digest(after), None, directories, done))
    backup = record.path.parent / _backup_name(record.path, file.path)
    new = FileRecord(file.path, file.syntax, digest(before), digest(after), backup.name, directories, done)
    return _Step(change, new, Replacement(backup, read_settings_file(backup), before))


def _edited(file: ClientFile, content: bytes | None) -> Edited:
    try:
        return edited(file.syntax, decoded(file.path, content or b""), file.settings)
    except UnreadableFile as error:
        raise FileError(file.path, error.line, error.problem) from None


def _backup_name(record: Path, path: Path) -> str:
    """The name of a file's backup, which lies beside the record; each path has its own."""
    return f"{record.stem}-{sha256(str(path).encode('utf-8', 'surrogateescape')).hexdigest()[:8]}.backup"
