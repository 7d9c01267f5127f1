"""What an operator reads: one line for each event, in the file and on standard output, without a secret."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogBeginner, Logger, LogLevel, LogPublisher
from twisted.python import log
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from clipal.config.settings import LogLevel as ConfiguredLevel
from clipal.config.settings import Settings
from clipal.logs.console import Console
from clipal.logs.daily_file import LOOK_EVERY, DailyLogFile
from clipal.logs.observer import Logs, open_logs
from clipal.logs.redaction import Redactor

# 2026-11-23T14:05:06.123 in UTC.
MOMENT = 1795442706.123
NAME = "clipal-2026-11-23.log"
KEY = "sk-ant-api03-hush/hush+hush"


@pytest.fixture
def set_zone() -> Iterator[Callable[[str], None]]:
    if not hasattr(time, "tzset"):
        pytest.skip("no time.tzset")
    before = os.environ.get("TZ")

    def to(zone: str) -> None:
        os.environ["TZ"] = zone
        time.tzset()

    yield to
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def stdout() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def open_with(directory: Path, stdout: io.StringIO) -> Iterator[Callable[..., Logs]]:
    opened: list[Logs] = []

    def with_settings(*, stdout: io.StringIO = stdout, secrets: tuple[str, ...] = (), **settings: Any) -> Logs:
        opened.append(open_logs(Settings(log_dir=directory, **settings), secrets, stdout))
        return opened[-1]

    yield with_settings
    for logs in opened:
        logs.close()


def event(text: object, level: LogLevel = LogLevel.info, **fields: object) -> dict[str, Any]:
    return {
        "log_format": "{text}",
        "text": text,
        "log_level": level,
        "log_namespace": "clipal.failover",
        "log_time": MOMENT,
        **fields,
    }


def files(directory: Path) -> dict[str, str]:
    return {path.name: path.read_bytes().decode() for path in directory.iterdir()}


def failure(message: str) -> Failure:
    """A failure that was raised, and that knows the variables of its frames."""
    prompt = "what a variable holds"
    try:
        raise ValueError(message) if prompt else AssertionError
    except ValueError:
        return Failure(captureVars=True)


def test_logs_are_an_observer(open_with: Callable[..., Logs]) -> None:
    assert verifyObject(ILogObserver, open_with())


def test_a_line_has_time_level_namespace_and_text(
    open_with: Callable[..., Logs],
    stdout: io.StringIO,
    directory: Path,
    set_zone: Callable[[str], None],
) -> None:
    set_zone("XXX-01:00")
    open_with()(event("200 by first", LogLevel.warn))
    line = "2026-11-23T15:05:06.123+0100 WARN  [clipal.failover] 200 by first\n"
    assert stdout.getvalue() == line
    assert files(directory) == {NAME: line}


def test_nothing_is_written_before_the_first_event(
    open_with: Callable[..., Logs], stdout: io.StringIO, directory: Path
) -> None:
    open_with().close()
    assert not directory.exists()
    assert stdout.getvalue() == ""


def test_without_log_stdout_lines_go_to_the_file_only(
    open_with: Callable[..., Logs], stdout: io.StringIO, directory: Path
) -> None:
    open_with(log_stdout=False)(event("quiet"))
    assert stdout.getvalue() == ""
    assert [text.rpartition("] ")[2] for text in files(directory).values()] == ["quiet\n"]


def test_standard_output_is_the_default(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = open_logs(Settings(log_dir=directory), ())
    logs(event("there"))
    logs.close()
    assert capsys.readouterr().out.endswith(" there\n")


LEVELS = (LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error, LogLevel.critical)


@pytest.mark.parametrize(
    ("configured", "written"),
    [
        (ConfiguredLevel.DEBUG, ["DEBUG", "INFO", "WARN", "ERROR", "ERROR"]),
        (ConfiguredLevel.INFO, ["INFO", "WARN", "ERROR", "ERROR"]),
        (ConfiguredLevel.WARN, ["WARN", "ERROR", "ERROR"]),
        (ConfiguredLevel.ERROR, ["ERROR", "ERROR"]),
    ],
)
def test_only_what_is_severe_enough_is_written(
    open_with: Callable[..., Logs], stdout: io.StringIO, configured: ConfiguredLevel, written: list[str]
) -> None:
    by_setting, by_change = open_with(log_level=configured), open_with(log_level=ConfiguredLevel.INFO)
    by_change.set_level(configured)
    for logs in (by_setting, by_change):
        for level in LEVELS:
            logs(event("text", level))
    assert [line.split()[1] for line in stdout.getvalue().splitlines()] == written * 2


def test_what_is_not_written_is_not_formatted(open_with: Callable[..., Logs]) -> None:
    formatted: list[str] = []

    class Costly:
        def __str__(self) -> str:
            formatted.append("now")
            return "text"

    logs = open_with()
    logs(event(Costly(), LogLevel.debug))
    assert formatted == []
    logs.set_level(ConfiguredLevel.DEBUG)
    logs(event(Costly(), LogLevel.debug))
    assert formatted == ["now"]


@pytest.mark.parametrize(
    ("namespace", "level", "written"),
    [
        ("twisted.web.http.HTTPChannel", LogLevel.info, "DEBUG"),
        ("twisted.internet.base", LogLevel.warn, "WARN"),
        ("twisted.internet.base", LogLevel.error, "ERROR"),
        ("twistedness", LogLevel.info, "INFO"),
        ("clipal.failover", LogLevel.info, "INFO"),
    ],
)
def test_what_twisted_tells_about_itself_is_for_debugging(
    open_with: Callable[..., Logs], stdout: io.StringIO, namespace: str, level: LogLevel, written: str
) -> None:
    open_with(log_level=ConfiguredLevel.DEBUG)(event("text", level, log_namespace=namespace))
    assert f" {written:<5} [{namespace}] text\n" in stdout.getvalue()


def test_messages_of_the_old_log_are_for_debugging_and_its_errors_are_errors(
    open_with: Callable[..., Logs], stdout: io.StringIO
) -> None:
    old = log.LogPublisher(publishPublisher=LogPublisher(open_with(log_level=ConfiguredLevel.DEBUG)))
    old.msg("Site starting on 3333")
    old.msg(failure=failure("old"), why="while trying", isError=1)
    started, failed = stdout.getvalue().splitlines()
    assert started.endswith(" DEBUG [log_legacy] Site starting on 3333")
    assert " ERROR [log_legacy] while trying" in failed


def test_python_warnings_stay_warnings(open_with: Callable[..., Logs], stdout: io.StringIO) -> None:
    publisher = LogPublisher()
    beginner = LogBeginner(publisher, io.StringIO(), sys, warnings)
    publisher.addObserver(open_with())
    beginner.showwarning("take care", UserWarning, "file.py", 3)
    assert re.search(r" WARN  \[\S+\] file\.py:3: .*UserWarning: take care\n$", stdout.getvalue())


def test_an_event_that_says_nothing_is_no_line(
    open_with: Callable[..., Logs], stdout: io.StringIO, directory: Path
) -> None:
    logs = open_with()
    logs({})
    logs(event(""))
    assert stdout.getvalue() == ""
    assert not directory.exists()


@pytest.mark.parametrize(
    ("hostile", "written"),
    [
        ("two\nlines\r\n", r"two\nlines\r\n"),
        ("tab\tnul\0bell\x07", r"tab\tnul\x00bell\x07"),
        ("\x1b[2Jcleared\x7f\x9b", r"\x1b[2Jcleared\x7f\x9b"),
        ("next\x85line\u2028para\u2029graph", r"next\x85line\u2028para\u2029graph"),
        ("\u202egpj.exe\u2066", r"\u202egpj.exe\u2066"),
        ("lone\ud800surrogate\udfff", r"lone\ud800surrogate\udfff"),
        ("Zürich 東京 🔑 \\n", "Zürich 東京 🔑 \\n"),
    ],
)
def test_one_event_is_one_line_whatever_it_holds(
    open_with: Callable[..., Logs], stdout: io.StringIO, directory: Path, hostile: str, written: str
) -> None:
    open_with()(event(hostile, log_namespace=f"clipal.{hostile}"))
    [text] = files(directory).values()
    assert text.partition("[")[2] == f"clipal.{written}] {written}\n"
    assert stdout.getvalue() == text


def test_a_failure_is_one_line_with_its_traceback_and_without_variables(
    open_with: Callable[..., Logs], stdout: io.StringIO
) -> None:
    broken = failure("first\nsecond")
    assert "what a variable holds" in broken.getTraceback(detail="verbose")
    open_with()(event("it broke", LogLevel.critical, log_failure=broken))
    line = stdout.getvalue()
    assert line.count("\n") == 1
    assert r"] it broke\nTraceback (most recent call last):\n  File " in line
    assert "test_logs.py" in line
    assert line.endswith("\\nbuiltins.ValueError: first\\nsecond\n")
    assert "what a variable holds" not in line


def test_a_failure_needs_no_text(open_with: Callable[..., Logs], stdout: io.StringIO) -> None:
    open_with()(event("", LogLevel.critical, log_failure=failure("bare")))
    assert " ERROR [clipal.failover] Traceback (most recent call last):" in stdout.getvalue()


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        (event(Unprintable()), r"event that cannot be formatted (RuntimeError): '{text}'"),
        (event("", log_format="{missing}"), r"event that cannot be formatted (KeyError): '{missing}'"),
        (event("", log_format="{text"), r"event that cannot be formatted (ValueError): '{text'"),
        (event("", log_format=b"{text}"), r"event that cannot be formatted (TypeError): b'{text}'"),
        (event("broke", log_failure=17), r"broke\ntraceback that cannot be formatted (AttributeError)"),
    ],
)
def test_what_cannot_be_formatted_says_so_and_shows_no_field(
    open_with: Callable[..., Logs], stdout: io.StringIO, fields: dict[str, Any], written: str
) -> None:
    open_with()({**fields, "body": "a prompt"})
    assert stdout.getvalue().endswith(f" [clipal.failover] {written}\n")


@pytest.mark.parametrize("when", [None, "now", float("nan"), float("inf"), 1e18])
def test_an_event_without_a_usable_time_has_the_present_one(
    directory: Path, stdout: io.StringIO, set_zone: Callable[[str], None], when: object
) -> None:
    set_zone("UTC0")
    file = DailyLogFile(directory, 7)
    logs = Logs(ConfiguredLevel.INFO, Redactor(), file, Console(stdout), Console(None), wall=lambda: MOMENT + 60)
    logs(event("text", log_time=when))
    logs.close()
    assert stdout.getvalue().startswith("2026-11-23T14:06:06.123+0000 ")
    assert set(files(directory)) == {NAME}


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (
            "UTC0",
            {"clipal-2026-11-23.log": ["23:59:59.999+0000"], "clipal-2026-11-24.log": ["00:00:00.000+0000"]},
        ),
        ("XXX-05:30", {"clipal-2026-11-24.log": ["05:29:59.999+0530", "05:30:00.000+0530"]}),
        ("XXX03", {"clipal-2026-11-23.log": ["20:59:59.999-0300", "21:00:00.000-0300"]}),
    ],
)
def test_each_local_day_has_its_file(
    open_with: Callable[..., Logs],
    directory: Path,
    set_zone: Callable[[str], None],
    zone: str,
    expected: dict[str, list[str]],
) -> None:
    set_zone(zone)
    logs, midnight = open_with(), 1795478400.0
    logs(event("last", log_time=midnight - 0.001))
    logs(event("first", log_time=midnight))
    times = {name: re.findall(r"^.{10}T(\S+)", text, re.M) for name, text in files(directory).items()}
    assert times == expected


def test_the_hour_that_summer_time_repeats_has_two_offsets(
    open_with: Callable[..., Logs], stdout: io.StringIO, set_zone: Callable[[str], None]
) -> None:
    set_zone("CET-1CEST,M3.5.0,M10.5.0/3")
    logs, change = open_with(), 1792890000.0
    logs(event("before", log_time=change - 1800))
    logs(event("after", log_time=change + 1800))
    stamps = [line.split()[0] for line in stdout.getvalue().splitlines()]
    assert stamps == ["2026-10-25T02:30:00.000+0200", "2026-10-25T02:30:00.000+0100"]


def test_old_files_are_removed(
    open_with: Callable[..., Logs], directory: Path, set_zone: Callable[[str], None]
) -> None:
    set_zone("UTC0")
    directory.mkdir()
    for day in ("20", "21"):
        (directory / f"clipal-2026-11-{day}.log").touch()
    open_with(log_retention_days=2)(event("text"))
    assert set(files(directory)) == {"clipal-2026-11-21.log", NAME}


@pytest.mark.parametrize(
    "fields",
    [
        event(KEY),
        event("https://host/?key=sk-ant-api03-hush%2Fhush%2Bhush&alt=sse"),
        event([KEY.encode()]),
        event(r"{\"key\": \"sk-ant-api03-hush\/hush\u002bhush\"}"),
        event("broke", log_failure=failure(f"bad key {KEY}")),
        event("broke", log_namespace=KEY),
        event("", log_format=f"{{missing}} {KEY}"),
    ],
)
def test_a_configured_key_is_in_no_line(
    open_with: Callable[..., Logs], stdout: io.StringIO, directory: Path, fields: dict[str, Any]
) -> None:
    open_with(secrets=(KEY,))(fields)
    [text] = files(directory).values()
    assert text == stdout.getvalue()
    assert "hush" not in text
    assert "[redacted]" in text


def test_secrets_can_be_replaced(open_with: Callable[..., Logs], stdout: io.StringIO) -> None:
    logs = open_with(secrets=("old-secret",))
    logs(event("new-secret"))
    logs.set_secrets(["new-secret"])
    logs(event("new-secret"))
    assert [line.rpartition(" ")[2] for line in stdout.getvalue().splitlines()] == [
        "new-secret",
        "[redacted]",
    ]


class Broken(io.StringIO):
    """A stream that raises, for as long as it has errors to raise."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.troubles = list(errors)
        self.tried = 0

    def write(self, text: str) -> int:
        self.tried += 1
        if self.troubles:
            raise self.troubles.pop(0)
        return super().write(text)


@pytest.mark.parametrize("error", [BrokenPipeError(errno.EPIPE, "gone"), ValueError("closed file")])
def test_a_broken_standard_output_is_left_alone_and_the_file_goes_on(
    open_with: Callable[..., Logs], directory: Path, error: Exception
) -> None:
    stream = Broken(error)
    logs = open_with(stdout=stream)
    for text in ("one", "two", "three"):
        logs(event(text))
    [written] = files(directory).values()
    assert [line.rpartition(" ")[2] for line in written.splitlines()] == ["one", "two", "three"]
    assert stream.tried == 1
    assert stream.closed


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EAGAIN, errno.EIO])
def test_a_standard_output_in_trouble_loses_only_the_lines_meanwhile(open_with: Callable[..., Logs], code: int) -> None:
    stream = Broken(OSError(code, os.strerror(code)))
    logs = open_with(stdout=stream)
    logs(event("lost"))
    logs(event("back"))
    assert stream.getvalue().endswith(" back\n")
    assert "lost" not in stream.getvalue()


def test_a_closed_pipe_does_not_spoil_the_exit_status(directory: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from clipal.config.settings import Settings;"
        "from clipal.logs.observer import open_logs; from twisted.logger import LogLevel;"
        "logs = open_logs(Settings(log_dir=Path(sys.argv[1])), ()); sys.stdin.read();"
        "[logs({'log_format': 'line', 'log_level': LogLevel.info}) for _ in range(3)]"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(directory)],
        # Only a buffered stream is flushed once more at the end.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, errors = process.communicate(timeout=60)
    assert errors == b""
    assert process.returncode == 0
    assert [text.count(" line\n") for text in files(directory).values()] == [3]


def test_what_the_encoding_of_standard_output_lacks_is_escaped(
    open_with: Callable[..., Logs],
) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1", newline="\n")
    open_with(stdout=stream)(event("Zürich 東"))
    assert raw.getvalue().decode("latin-1").endswith(" Zürich \\u6771\n")


def test_a_process_without_standard_streams_logs_to_its_file(directory: Path) -> None:
    logs = Logs(ConfiguredLevel.INFO, Redactor(), DailyLogFile(directory, 7), Console(None), Console(None))
    logs(event("text"))
    logs.close()
    assert [text.rpartition(" ")[2] for text in files(directory).values()] == ["text\n"]


@pytest.mark.parametrize("log_stdout", [True, False])
def test_that_the_file_fails_and_is_back_is_said_once_on_a_terminal(
    tmp_path: Path, directory: Path, stdout: io.StringIO, set_zone: Callable[[str], None], log_stdout: bool
) -> None:
    set_zone("UTC0")
    clock, stderr = Clock(), io.StringIO()
    file = DailyLogFile(directory, 7, clock.seconds)
    console = Console(stdout) if log_stdout else None
    logs = Logs(ConfiguredLevel.ERROR, Redactor(["hidden-part"]), file, console, Console(stderr))
    directory.write_text("in the way")
    for text in ("a", "b", "c"):
        logs(event(text, LogLevel.error))
        clock.advance(LOOK_EVERY)
    directory.unlink()
    for text in ("d", "e"):
        logs(event(text, LogLevel.error))
    logs.close()
    path = directory / NAME
    said = [
        f"logs cannot be written to {path}: {os.strerror(errno.EEXIST)}",
        f"logs are written to {path} again; those in between are lost",
    ]

    def spoken(text: str) -> list[str]:
        return [line.partition("] ")[2] for line in text.splitlines()]

    assert spoken(stdout.getvalue()) == (["a", said[0], "b", "c", "d", said[1], "e"] if log_stdout else [])
    assert spoken(stderr.getvalue()) == ([] if log_stdout else said)
    assert spoken(path.read_text()) == ["d", said[1], "e"]


def test_a_logger_reaches_both_outputs(open_with: Callable[..., Logs], stdout: io.StringIO) -> None:
    logger = Logger("clipal.downstream", observer=open_with())
    logger.info("{method} {path!r} {status}", method="POST", path=b"/v1/messages", status=200)
    assert stdout.getvalue().endswith(" INFO  [clipal.downstream] POST b'/v1/messages' 200\n")


def test_a_stream_that_is_closed_counts_one_dropped_line(directory: Path) -> None:
    stdout = io.StringIO()
    stdout.close()
    logs = Logs(ConfiguredLevel.INFO, Redactor(), DailyLogFile(directory, 7), Console(stdout), Console(None))
    for text in ("a", "b", "c"):
        logs(event(text))
    logs.close()
    assert logs.dropped == 1
    assert [text.count("\n") for text in files(directory).values()] == [3]
