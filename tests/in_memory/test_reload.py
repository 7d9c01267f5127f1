"""The Reloader with real files: what a change resets, and what an error leaves as it was."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from zope.interface import implementer

from clipal.config import reload
from clipal.config.loader import load_configuration
from clipal.config.model import Configuration
from clipal.config.overrides import Overrides
from clipal.config.reload import Reloader
from tests.wirekit.fixtures import FlushLoggedFailures

CLIENTS = {"claudecode": "claude-code.yaml", "codex": "codex.yaml", "gemini": "gemini.yaml"}
SECRET = "sk-ant-api03-Secret"


def client(name: str) -> str:
    return f"providers:\n  - name: {name}\n    base_url: https://{name}.example\n    api_key: {SECRET}\n"


@implementer(ILogObserver)
@define(eq=False)
class Kept:
    """A Reloader, what it applied, and what it logged.

    Attributes:
        faults: what applying a configuration raises, one after another, before it succeeds.
    """

    directory: Path
    overrides: Overrides = field(factory=Overrides)
    applied: list[tuple[Configuration, set[str]]] = field(factory=list)
    events: list[LogEvent] = field(factory=list)
    faults: list[Exception] = field(factory=list)
    reloader: Reloader = field(init=False)

    def __call__(self, event: LogEvent) -> None:
        self.events.append(event)

    def begin(self) -> None:
        current = load_configuration(self.directory, CLIENTS, self.overrides)
        self.reloader = Reloader(self.directory, CLIENTS, self.overrides, current, self.apply)

    def apply(self, configuration: Configuration, reset: frozenset[str]) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.applied.append((configuration, set(reset)))

    def write(self, name: str, text: str) -> None:
        """Saves a file anew; whatever the file system's clock, its stamp is another one."""
        path = self.directory / name
        before = path.stat().st_mtime_ns if path.exists() else 0
        path.write_text(text)
        path.chmod(0o600)
        os.utime(path, ns=(before + 1_000_000, before + 1_000_000))

    def touch(self, name: str) -> None:
        self.write(name, (self.directory / name).read_text())

    @property
    def resets(self) -> list[set[str]]:
        return [reset for _, reset in self.applied]

    def providers(self, prefix: str = "claudecode") -> list[str]:
        """The names in the configuration that was applied last."""
        return [each.name for each in self.applied[-1][0].clients[prefix].providers]

    def lines(self, level: LogLevel) -> list[str]:
        return [str(formatEvent(event)) for event in self.events if event["log_level"] is level]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    found = Kept(tmp_path)
    found.write("config.yaml", "port: 3333\n")
    for name in CLIENTS.values():
        found.write(name, client("old"))
    globalLogPublisher.addObserver(found)
    found.begin()
    yield found
    globalLogPublisher.removeObserver(found)
    assert all("ecret" not in str(formatEvent(event)) for event in found.events)


def test_unchanged_files_are_left_alone(kept: Kept) -> None:
    kept.reloader.check()
    kept.reloader.check()
    assert kept.applied == []
    assert kept.events == []


@pytest.mark.parametrize(("prefix", "name"), CLIENTS.items())
def test_a_touched_file_resets_its_client_only(kept: Kept, prefix: str, name: str) -> None:
    kept.touch(name)
    kept.reloader.check()
    kept.reloader.check()
    assert kept.resets == [{prefix}]
    assert kept.lines(LogLevel.info) == [f"Loaded the configuration; clients that begin afresh: /{prefix}"]


def test_two_changed_files_are_one_change(kept: Kept) -> None:
    kept.write("codex.yaml", client("new"))
    kept.write("gemini.yaml", client("new"))
    kept.reloader.check()
    assert kept.resets == [{"codex", "gemini"}]
    assert (kept.providers("claudecode"), kept.providers("codex")) == (["old"], ["new"])


def test_a_saved_config_yaml_resets_no_client(kept: Kept) -> None:
    kept.write("config.yaml", "connect_timeout: 5s\n")
    kept.reloader.check()
    assert kept.resets == [set()]
    assert kept.applied[0][0].settings.connect_timeout == 5
    assert kept.lines(LogLevel.info) == ["Loaded the configuration; clients that begin afresh: none"]


def test_a_file_that_was_replaced_is_changed_though_time_and_size_are_the_same(kept: Kept) -> None:
    path = kept.directory / "codex.yaml"
    stamp = path.stat()
    other = kept.directory / "codex.yaml.new"
    other.write_text(client("new"))
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other.replace(path)
    kept.reloader.check()
    assert kept.resets == [{"codex"}]
    assert kept.providers("codex") == ["new"]


def test_an_older_file_is_a_change_too(kept: Kept) -> None:
    os.utime(kept.directory / "codex.yaml", ns=(1, 1))
    kept.reloader.check()
    assert kept.resets == [{"codex"}]


def test_a_deleted_client_file_means_no_providers(kept: Kept) -> None:
    (kept.directory / "codex.yaml").unlink()
    kept.reloader.check()
    assert kept.applied == []
    kept.reloader.check()
    assert kept.resets == [{"codex"}]
    assert kept.providers("codex") == []
    kept.write("codex.yaml", client("new"))
    kept.reloader.check()
    assert kept.resets == [{"codex"}, {"codex"}]
    assert kept.providers("codex") == ["new"]


def test_a_deleted_config_yaml_means_the_defaults(kept: Kept) -> None:
    kept.write("config.yaml", "connect_timeout: 5s\n")
    kept.reloader.check()
    (kept.directory / "config.yaml").unlink()
    kept.reloader.check()
    assert kept.resets == [set()]
    kept.reloader.check()
    assert kept.resets == [set(), set()]
    assert kept.applied[-1][0].settings.connect_timeout == 10


BROKEN = {
    "empty": ("", r"claude-code\.yaml: empty"),
    "half a file": (client("new")[:-30] + '"', r"claude-code\.yaml:\d+: not valid YAML"),
    "half a list": (
        client("new").partition("    base_url")[0],
        r"claude-code\.yaml:2: providers\[0\]\.base_url: is missing",
    ),
    "an unknown key": (client("new") + "modus: x\n", r"claude-code\.yaml:5: modus: unknown key; did you mean mode\?"),
    "a key in a wrong place": (client("new") + f"mode: {SECRET}\n", r"claude-code\.yaml:5: mode: must be one of"),
    "a key as a key": (client("new") + f"{SECRET}: x\n", r"claude-code\.yaml:5: a key: unknown key"),
    "a key as the file": (SECRET, r"claude-code\.yaml:1: must be a mapping"),
    "clipal itself": (
        client("new").replace("https://new.example", "http://localhost:3333"),
        r"claude-code\.yaml:3: providers\[0\]\.base_url: this is clipal's own address",
    ),
}


@pytest.mark.parametrize(("text", "error"), BROKEN.values(), ids=BROKEN.keys())
def test_an_error_keeps_the_old_configuration_and_is_logged_once(kept: Kept, text: str, error: str) -> None:
    kept.write("claude-code.yaml", text)
    for _ in range(3):
        kept.reloader.check()
    assert kept.applied == []
    (line,) = kept.lines(LogLevel.error)
    assert re.match(f"The configuration stays as it was: .*/{error}", line)
    assert len(kept.events) == 1


def test_each_change_of_a_broken_file_is_tried_again(kept: Kept) -> None:
    for text in ("", "a: [", "b: {"):
        kept.write("claude-code.yaml", text)
        kept.reloader.check()
        kept.reloader.check()
    assert len(kept.lines(LogLevel.error)) == 3
    kept.write("claude-code.yaml", client("new"))
    kept.reloader.check()
    assert kept.resets == [{"claudecode"}]
    assert kept.providers() == ["new"]


def test_what_an_error_held_up_is_reset_at_the_next_good_load(kept: Kept) -> None:
    kept.touch("codex.yaml")
    kept.write("config.yaml", "port: x\n")
    kept.reloader.check()
    kept.touch("gemini.yaml")
    kept.reloader.check()
    assert kept.applied == []
    kept.write("config.yaml", "port: 3333\n")
    kept.reloader.check()
    assert kept.resets == [{"codex", "gemini"}]
    kept.touch("config.yaml")
    kept.reloader.check()
    assert kept.resets == [{"codex", "gemini"}, set()]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("listen_addr: 127.0.0.2", "listen_addr"),
        ("port: 4444", "port"),
        ("log_dir: elsewhere", "log_dir"),
        ("log_retention_days: 1", "log_retention_days"),
        ("log_stdout: false", "log_stdout"),
    ],
)
def test_what_needs_a_restart_is_logged_and_not_applied(kept: Kept, line: str, name: str) -> None:
    before = load_configuration(kept.directory, CLIENTS).settings
    kept.write("config.yaml", f"{line}\nconnect_timeout: 5s\n")
    kept.reloader.check()
    ((configuration, _),) = kept.applied
    assert getattr(configuration.settings, name) == getattr(before, name)
    assert configuration.settings.connect_timeout == 5
    assert kept.lines(LogLevel.warn) == [f"A change of {name} takes effect at the next start"]


@pytest.mark.parametrize("port", [3333, 4444])
def test_no_provider_may_be_where_clipal_listens_now_or_after_a_restart(kept: Kept, port: int) -> None:
    kept.write("config.yaml", "port: 4444\n")
    kept.write("codex.yaml", client("old").replace("https://old.example", f"http://127.0.0.1:{port}"))
    kept.reloader.check()
    assert kept.applied == []
    (line,) = kept.lines(LogLevel.error)
    assert f"{kept.directory}/codex.yaml:3: providers[0].base_url: this is clipal's own address" in line


def test_neither_where_clipal_listens_nor_where_it_will_may_be_a_provider(kept: Kept) -> None:
    kept.write("config.yaml", "port: 4444\n")
    for port in (3333, 4444):
        kept.write("codex.yaml", client("new").replace("https://new.example", f"http://localhost:{port}"))
        kept.reloader.check()
    assert kept.applied == []
    assert len(kept.lines(LogLevel.error)) == 2


def test_the_command_line_still_overrides_what_is_loaded_anew(kept: Kept) -> None:
    kept.overrides = Overrides(port="0", log_level="error")
    kept.begin()
    kept.write("config.yaml", "port: 4444\nlog_level: debug\nconnect_timeout: 5s\n")
    kept.reloader.check()
    settings = kept.applied[0][0].settings
    assert (settings.port, settings.log_level.value, settings.connect_timeout) == (0, "error", 5)
    assert kept.lines(LogLevel.warn) == []


def test_reload_all_resets_everyone_changed_or_not(kept: Kept) -> None:
    kept.reloader.reload_all()
    kept.write("codex.yaml", client("new"))
    kept.reloader.reload_all()
    assert kept.resets == [set(CLIENTS), set(CLIENTS)]
    assert kept.providers("codex") == ["new"]
    kept.reloader.check()
    assert len(kept.applied) == 2


def test_reload_all_of_broken_files_is_made_good_later(kept: Kept) -> None:
    kept.write("codex.yaml", "")
    kept.reloader.reload_all()
    assert kept.applied == []
    assert len(kept.lines(LogLevel.error)) == 1
    kept.write("codex.yaml", client("new"))
    kept.reloader.check()
    assert kept.resets == [set(CLIENTS)]


def test_warnings_are_logged_with_each_load(kept: Kept) -> None:
    (kept.directory / "gemini.yaml").chmod(0o644)
    kept.touch("codex.yaml")
    kept.reloader.check()
    (line,) = kept.lines(LogLevel.warn)
    assert "chmod 600" in line


def test_a_directory_that_goes_and_comes_back_is_followed(kept: Kept) -> None:
    away = kept.directory.with_name("away")
    kept.directory.rename(away)
    kept.reloader.check()
    kept.reloader.check()
    assert kept.providers() == []
    away.rename(kept.directory)
    kept.reloader.check()
    assert kept.resets == [set(CLIENTS), set(CLIENTS)]
    assert kept.providers() == ["old"]


@pytest.mark.parametrize("name", ["config.yaml", *CLIENTS.values()])
def test_a_file_that_is_missing_at_one_look_changes_nothing(kept: Kept, name: str) -> None:
    path, aside = kept.directory / name, kept.directory / "aside"
    path.rename(aside)
    kept.reloader.check()
    aside.rename(path)
    kept.reloader.check()
    path.rename(aside)
    kept.reloader.check()
    aside.rename(path)
    kept.reloader.check()
    assert (kept.applied, kept.events) == ([], [])


def test_what_replaces_a_file_that_was_missing_at_one_look_is_loaded(kept: Kept) -> None:
    (kept.directory / "codex.yaml").rename(kept.directory / "codex.yaml~")
    kept.reloader.check()
    kept.write("codex.yaml", client("new"))
    kept.reloader.check()
    assert kept.resets == [{"codex"}]
    assert kept.providers("codex") == ["new"]


def test_while_a_file_is_missing_at_one_look_no_other_change_takes_its_providers(kept: Kept) -> None:
    path, aside = kept.directory / "codex.yaml", kept.directory / "aside"
    path.rename(aside)
    kept.write("gemini.yaml", client("new"))
    kept.reloader.check()
    assert kept.applied == []
    aside.rename(path)
    kept.reloader.check()
    assert kept.resets == [{"gemini"}]
    assert (kept.providers("codex"), kept.providers("gemini")) == (["old"], ["new"])


def test_sighup_does_not_take_a_file_that_is_missing_at_one_look_for_deleted(kept: Kept) -> None:
    path, aside = kept.directory / "codex.yaml", kept.directory / "aside"
    path.rename(aside)
    kept.reloader.reload_all()
    assert kept.applied == []
    aside.rename(path)
    kept.reloader.check()
    assert kept.resets == [set(CLIENTS)]
    assert kept.providers("codex") == ["old"]


def test_a_file_that_goes_while_the_files_are_read_is_not_taken_for_deleted(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, aside = kept.directory / "gemini.yaml", kept.directory / "aside"

    def load_amid_a_rename(*arguments: Any) -> Configuration:
        path.rename(aside)
        return load_configuration(*arguments)

    kept.write("codex.yaml", client("new"))
    with monkeypatch.context() as patched:
        patched.setattr(reload, "load_configuration", load_amid_a_rename)
        kept.reloader.check()
    assert kept.applied == []
    aside.rename(path)
    kept.reloader.check()
    assert kept.resets == [{"codex"}]
    assert kept.providers("gemini") == ["old"]


def test_a_file_that_was_saved_while_the_first_configuration_was_read_is_a_change(kept: Kept) -> None:
    current = load_configuration(kept.directory, CLIENTS)
    kept.write("codex.yaml", client("new"))
    kept.reloader = Reloader(kept.directory, CLIENTS, Overrides(), current, kept.apply)
    kept.reloader.check()
    assert kept.resets == [{"codex"}]
    assert kept.providers("codex") == ["new"]


def test_a_change_that_could_not_be_applied_is_tried_again_and_its_error_logged_once(
    kept: Kept, flush_logged_failures: FlushLoggedFailures
) -> None:
    kept.faults = [OSError(24, "Too many open files")] * 3
    kept.write("codex.yaml", client("new"))
    for _ in range(3):
        kept.reloader.check()
    assert kept.applied == []
    assert len(kept.events) == len(flush_logged_failures(OSError)) == 1
    kept.reloader.check()
    kept.reloader.check()
    assert kept.resets == [{"codex"}]
    assert kept.providers("codex") == ["new"]
    assert len(kept.events) == 2


def test_another_error_of_the_same_change_is_logged_too(kept: Kept, flush_logged_failures: FlushLoggedFailures) -> None:
    kept.faults = [OSError(24, "Too many open files"), ValueError("x"), ValueError("x")]
    kept.write("codex.yaml", client("new"))
    for _ in range(4):
        kept.reloader.check()
    assert kept.resets == [{"codex"}]
    assert len(flush_logged_failures(OSError, ValueError)) == 2


def test_sighup_whose_configuration_could_not_be_applied_still_resets_everyone(
    kept: Kept, flush_logged_failures: FlushLoggedFailures
) -> None:
    kept.faults = [OSError(24, "Too many open files")]
    kept.reloader.reload_all()
    assert kept.applied == []
    kept.reloader.check()
    assert kept.resets == [set(CLIENTS)]
    assert len(flush_logged_failures(OSError)) == 1


def test_an_error_that_passes_without_another_save_is_made_good(kept: Kept) -> None:
    path = kept.directory / "codex.yaml"
    kept.write("codex.yaml", client("new"))
    stamp = path.stat()
    path.write_text("providers: [")
    os.truncate(path, stamp.st_size)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    kept.reloader.check()
    assert kept.applied == []
    path.write_text(client("new"))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    kept.reloader.check()
    assert kept.resets == [{"codex"}]


def test_sighup_logs_the_same_error_again(kept: Kept) -> None:
    kept.write("codex.yaml", "")
    kept.reloader.reload_all()
    kept.reloader.check()
    kept.reloader.reload_all()
    assert len(kept.lines(LogLevel.error)) == 2
