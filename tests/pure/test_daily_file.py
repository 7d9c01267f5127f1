"""A log file for each day, which gives way to nothing and comes back by itself."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from clipal.logs.daily_file import LOOK_EVERY, DailyLogFile, LogFileEvent, News

TODAY = date(2026, 11, 23)
TOMORROW = date(2026, 11, 24)
NAME = "clipal-2026-11-23.log"

posix = pytest.mark.skipif(os.name != "posix", reason="file modes and links as POSIX has them")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def file(directory: Path, clock: Clock) -> Iterator[DailyLogFile]:
    file = DailyLogFile(directory, 7, clock.seconds)
    yield file
    file.close()


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def said(news: News | None) -> str | None:
    return None if news is None else news.text


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_nothing_is_opened_before_the_first_line(file: DailyLogFile, directory: Path) -> None:
    assert not directory.exists()


def test_a_line_is_in_the_file_when_it_has_been_written(file: DailyLogFile, directory: Path) -> None:
    assert file.write(TODAY, "one") is None
    assert (directory / NAME).read_text() == "one\n"
    assert file.write(TODAY, "zwölf") is None
    assert (directory / NAME).read_text(encoding="utf-8") == "one\nzwölf\n"


def test_a_file_that_is_there_is_continued(file: DailyLogFile, directory: Path) -> None:
    directory.mkdir()
    (directory / NAME).write_text("before\n")
    file.write(TODAY, "after")
    assert (directory / NAME).read_text() == "before\nafter\n"


def test_each_day_has_its_file(file: DailyLogFile, directory: Path) -> None:
    file.write(TODAY, "today")
    file.write(TOMORROW, "tomorrow")
    file.write(TOMORROW, "later")
    assert (directory / NAME).read_text() == "today\n"
    assert (directory / "clipal-2026-11-24.log").read_text() == "tomorrow\nlater\n"


def test_a_closed_file_is_opened_again_by_the_next_line(file: DailyLogFile, directory: Path) -> None:
    file.close()
    file.write(TODAY, "one")
    file.close()
    file.write(TODAY, "two")
    assert (directory / NAME).read_text() == "one\ntwo\n"


@posix
def test_files_and_directories_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    file = DailyLogFile(tmp_path / "a" / "b", 7)
    file.write(TODAY, "line")
    file.close()
    assert mode(tmp_path / "a") == 0o700
    assert mode(tmp_path / "a" / "b") == 0o700
    # A umask that takes the owner's own rights away is repaired too.
    assert mode(tmp_path / "a" / "b" / NAME) == 0o600


@posix
def test_a_readable_file_becomes_private_and_a_directory_keeps_its_mode(file: DailyLogFile, directory: Path) -> None:
    directory.mkdir()
    directory.chmod(0o755)
    (directory / NAME).touch()
    (directory / NAME).chmod(0o644)
    file.write(TODAY, "line")
    assert mode(directory / NAME) == 0o600
    assert mode(directory) == 0o755


OTHERS = (
    "clipal-2026-01-01.log.gz",
    "clipal-2026-1-1.log",
    "clipal-2026-01-32.log",
    "clipal-2026-01-01.log\n",
    "clipal-٢٠٢٦-01-01.log",
    "Clipal-2026-01-01.log",
    "my-clipal-2026-01-01.log",
    "notes.txt",
)


@pytest.mark.parametrize(
    ("days", "kept"),
    [
        (0, {"2026-01-01", "2026-11-15", "2026-11-16", "2026-11-22", "2026-12-24"}),
        (1, {"2026-11-22", "2026-12-24"}),
        (7, {"2026-11-16", "2026-11-22", "2026-12-24"}),
        (10**12, {"2026-01-01", "2026-11-15", "2026-11-16", "2026-11-22", "2026-12-24"}),
    ],
)
@posix
def test_files_older_than_the_retention_are_removed_at_the_start(directory: Path, days: int, kept: set[str]) -> None:
    directory.mkdir()
    for day in ("2026-01-01", "2026-11-15", "2026-11-16", "2026-11-22", "2026-12-24"):
        (directory / f"clipal-{day}.log").touch()
    for name in OTHERS:
        (directory / name).touch()
    file = DailyLogFile(directory, days)
    file.write(TODAY, "line")
    file.close()
    assert names(directory) == {NAME, *OTHERS, *(f"clipal-{day}.log" for day in kept)}


def test_files_are_removed_when_a_day_begins(file: DailyLogFile, directory: Path) -> None:
    directory.mkdir()
    (directory / "clipal-2026-11-16.log").touch()
    file.write(TODAY, "line")
    assert names(directory) == {"clipal-2026-11-16.log", NAME}
    file.write(TOMORROW, "line")
    assert names(directory) == {NAME, "clipal-2026-11-24.log"}


def test_an_old_file_that_cannot_be_removed_stops_nothing(file: DailyLogFile, directory: Path) -> None:
    (directory / "clipal-2026-01-01.log").mkdir(parents=True)
    (directory / "clipal-2026-01-02.log").touch()
    assert file.write(TODAY, "line") is None
    assert names(directory) == {"clipal-2026-01-01.log", NAME}


@posix
def test_a_removed_file_is_written_anew_a_second_later(file: DailyLogFile, directory: Path, clock: Clock) -> None:
    file.write(TODAY, "one")
    (directory / NAME).unlink()
    clock.advance(LOOK_EVERY)
    assert file.write(TODAY, "two") is None
    assert (directory / NAME).read_text() == "two\n"


@posix
def test_a_rotated_file_is_left_for_the_new_one(file: DailyLogFile, directory: Path, clock: Clock) -> None:
    file.write(TODAY, "one")
    (directory / NAME).rename(directory / "elsewhere")
    (directory / NAME).write_text("new\n")
    clock.advance(LOOK_EVERY)
    file.write(TODAY, "two")
    assert (directory / "elsewhere").read_text() == "one\n"
    assert (directory / NAME).read_text() == "new\ntwo\n"


@posix
def test_a_removed_directory_is_created_again(file: DailyLogFile, directory: Path, clock: Clock) -> None:
    file.write(TODAY, "one")
    shutil.rmtree(directory)
    clock.advance(LOOK_EVERY)
    assert file.write(TODAY, "two") is None
    assert (directory / NAME).read_text() == "two\n"
    assert mode(directory) == 0o700


def test_the_file_is_looked_at_once_a_second_at_most(
    file: DailyLogFile, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[object] = []
    original = os.stat

    def counting(path: str | Path) -> os.stat_result:
        looks.append(path)
        return original(path)

    file.write(TODAY, "line")
    with monkeypatch.context() as patch:
        patch.setattr("clipal.logs.daily_file.os.stat", counting)
        for _ in range(10):
            file.write(TODAY, "line")
        assert looks == []
        clock.advance(LOOK_EVERY)
        for _ in range(10):
            file.write(TODAY, "line")
        assert len(looks) == 1


def test_a_directory_that_cannot_be_made_is_told_once_and_so_is_its_return(
    file: DailyLogFile, directory: Path, clock: Clock
) -> None:
    directory.write_text("a file in the way")
    told = [said(file.write(TODAY, "lost"))]
    for _ in range(5):
        clock.advance(LOOK_EVERY)
        told.append(said(file.write(TODAY, "lost")))
    assert told == [f"logs cannot be written to {directory / NAME}: {os.strerror(errno.EEXIST)}", *[None] * 5]
    directory.unlink()
    clock.advance(LOOK_EVERY)
    assert said(file.write(TODAY, "back")) == f"logs are written to {directory / NAME} again; those in between are lost"
    assert file.write(TODAY, "on") is None
    assert (directory / NAME).read_text() == "back\non\n"


def test_a_failed_file_is_not_tried_again_within_a_second(file: DailyLogFile, directory: Path, clock: Clock) -> None:
    directory.write_text("a file in the way")
    assert file.write(TODAY, "lost") is not None
    directory.unlink()
    clock.advance(LOOK_EVERY / 2)
    assert file.write(TODAY, "lost") is None
    assert file.write(TOMORROW, "lost") is None
    assert not directory.exists()
    clock.advance(LOOK_EVERY / 2)
    assert file.write(TOMORROW, "back") is not None
    assert names(directory) == {"clipal-2026-11-24.log"}


def test_a_full_disk_loses_lines_and_nothing_else(
    file: DailyLogFile, directory: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("clipal.logs.daily_file.os.write", full)
        told = said(file.write(TODAY, "lost"))
        assert told == f"logs cannot be written to {directory / NAME}: {os.strerror(errno.ENOSPC)}"
        clock.advance(LOOK_EVERY)
        assert file.write(TODAY, "lost") is None
    clock.advance(LOOK_EVERY)
    assert file.write(TODAY, "back") is not None
    assert (directory / NAME).read_text() == "back\n"


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_link(path: Path) -> None:
    (path.parent / "theirs").write_text("theirs")
    (path.parent / "theirs").chmod(0o644)
    path.symlink_to("theirs")


def make_dangling_link(path: Path) -> None:
    path.symlink_to("nothing")


def make_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/null")


def make_directory(path: Path) -> None:
    path.mkdir()


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        before = os.getcwd()
        os.chdir(path.parent)  # the path of a socket is short
        listening.bind(path.name)
        os.chdir(before)


@posix
@pytest.mark.parametrize(
    "make", [make_pipe, make_link, make_dangling_link, make_link_to_a_device, make_directory, make_socket]
)
def test_what_is_no_regular_file_is_refused_once_and_not_touched(
    file: DailyLogFile, directory: Path, clock: Clock, make: Callable[[Path], None]
) -> None:
    directory.mkdir()
    make(directory / NAME)
    news = file.write(TODAY, "lost")
    assert news is not None
    assert news.event is LogFileEvent.REFUSED
    assert news.text.startswith(f"logs are not written to {directory / NAME}: ")
    for _ in range(3):
        clock.advance(LOOK_EVERY)
        assert file.write(TODAY, "lost") is None
    assert not (directory / "nothing").exists()
    if make is make_link:
        assert (directory / "theirs").read_text() == "theirs"
        assert mode(directory / "theirs") == 0o644
    assert file.write(TOMORROW, "on") is None
    clock.advance(LOOK_EVERY)
    assert file.write(TOMORROW, "back") is not None
    assert (directory / "clipal-2026-11-24.log").read_text() == "back\n"


@posix
def test_a_pipe_that_somebody_reads_is_refused_too(file: DailyLogFile, directory: Path) -> None:
    directory.mkdir()
    os.mkfifo(directory / NAME)
    reader = os.open(directory / NAME, os.O_RDONLY | os.O_NONBLOCK)
    news = file.write(TODAY, "lost")
    assert news is not None
    assert news.event is LogFileEvent.REFUSED
    assert os.read(reader, 100) == b""
    os.close(reader)


@posix
def test_the_directory_may_be_a_link(file: DailyLogFile, directory: Path) -> None:
    (directory.parent / "elsewhere").mkdir()
    directory.symlink_to("elsewhere")
    assert file.write(TODAY, "line") is None
    assert (directory.parent / "elsewhere" / NAME).read_text() == "line\n"


LIMIT = 4096


@pytest.mark.parametrize("others", [{}, {f"{NAME}.1": 1000, f"{NAME}.2.gz": 1000}])
def test_a_days_files_have_a_limit_together_that_says_so_once(
    directory: Path, clock: Clock, others: dict[str, int]
) -> None:
    directory.mkdir()
    for name, size in others.items():
        (directory / name).write_bytes(b"x" * size)
    (directory / "clipal-2026-11-22.log").write_bytes(b"x" * LIMIT)
    file = DailyLogFile(directory, 7, clock.seconds, max_bytes=LIMIT)
    told = []
    for _ in range(200):
        news = file.write(TODAY, "a line of the log")
        if news is not None:
            told.append(news.text)
            file.write_last(news.text)
        clock.advance(0.1)
    assert len(told) == 1
    assert "log_max_bytes (4096) is reached" in told[0]
    assert file.is_used_up(TODAY)
    written = (directory / NAME).read_text().splitlines()
    assert written[-1] == told[0]
    assert len(written) > 50
    assert sum(path.stat().st_size for path in directory.glob("clipal-2026-11-23*")) <= LIMIT
    assert file.write(TOMORROW, "line") is None
    assert (directory / "clipal-2026-11-24.log").read_text() == "line\n"
    file.close()


def test_the_days_bytes_count_beyond_a_restart(directory: Path, clock: Clock) -> None:
    for _ in range(20):
        file = DailyLogFile(directory, 7, clock.seconds, max_bytes=LIMIT)
        for _ in range(100):
            news = file.write(TODAY, "a line of the log")
            if news is not None:
                file.write_last(news.text)
        file.close()
    assert (directory / NAME).stat().st_size <= LIMIT


def test_without_a_limit_there_is_none(directory: Path, clock: Clock) -> None:
    file = DailyLogFile(directory, 7, clock.seconds, max_bytes=0)
    for _ in range(10):
        assert file.write(TODAY, "x" * LIMIT) is None
    file.close()


def test_a_line_that_a_full_disk_cut_is_not_continued_by_the_next(
    file: DailyLogFile, directory: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.write
    with monkeypatch.context() as patch:
        patch.setattr("clipal.logs.daily_file.os.write", lambda fd, data: original(fd, data[:3]))
        assert file.write(TODAY, "a long line") is not None
    clock.advance(LOOK_EVERY)
    file.write(TODAY, "back")
    file.write(TODAY, "on")
    assert (directory / NAME).read_text() == "a l\nback\non\n"


def test_a_descriptor_closed_by_others_is_replaced(
    file: DailyLogFile, directory: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    original = os.open

    def remembering(path: Path, flags: int, mode: int) -> int:
        opened.append(original(path, flags, mode))
        return opened[-1]

    with monkeypatch.context() as patch:
        patch.setattr("clipal.logs.daily_file.os.open", remembering)
        file.write(TODAY, "one")
    os.close(opened[0])
    assert file.write(TODAY, "lost") is not None
    clock.advance(LOOK_EVERY)
    file.write(TODAY, "back")
    assert (directory / NAME).read_text() == "one\nback\n"


@posix
def test_a_file_whose_mode_cannot_be_changed_is_written_all_the_same(
    file: DailyLogFile, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.mkdir()
    (directory / NAME).touch()
    (directory / NAME).chmod(0o644)

    def refused(descriptor: int, mode: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    with monkeypatch.context() as patch:
        patch.setattr("clipal.logs.daily_file.os.fchmod", refused)
        assert file.write(TODAY, "line") is None
    assert (directory / NAME).read_text() == "line\n"
