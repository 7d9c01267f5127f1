"""What the command line says in place of `config.yaml`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

from clipal.config import values as read
from clipal.config.nodes import Scalar
from clipal.config.problems import ConfigurationError, Problems
from clipal.config.settings import LogLevel, Settings


@frozen
class Overrides:
    """The options that were given, as they were typed."""

    listen_addr: str | None = None
    port: str | None = None
    log_level: str | None = None


NO_OVERRIDES: Final = Overrides()


def check_overrides(overrides: Overrides) -> None:
    """Looks at `overrides` alone, before any file is read.

    Raises:
        ConfigurationError: one of them is wrong.
    """
    problems = Problems()
    with_overrides(Settings(Path()), overrides, problems)
    if problems.found:
        raise ConfigurationError.from_problems(problems.found)


def with_overrides(settings: Settings, overrides: Overrides, problems: Problems) -> Settings:
    """`settings` with `overrides` in their place; what is wrong with these goes to `problems`."""
    values: dict[str, Any] = {}
    for option, key, reader in (
        ("--listen-addr", "listen_addr", read.listen_address),
        ("--port", "port", read.whole(0, 65535)),
        ("--log-level", "log_level", read.one_of(LogLevel)),
    ):
        typed = getattr(overrides, key)
        if typed is not None and settings.listen and key != "log_level":
            problems.error(None, None, option, "cannot be used, because config.yaml has listen")
        elif typed is not None:
            tag = "tag:yaml.org,2002:" + ("int" if re.fullmatch("0|[1-9][0-9]{0,4}", typed) else "str")
            try:
                values[key] = reader(Scalar(0, typed, tag))
            except ValueError as error:
                problems.error(None, None, option, str(error))
    return evolve(settings, **values)
