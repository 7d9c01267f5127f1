"""How a command finds the running clipal, and asks it for `/status`.

The address comes from the configuration, or from `--url`. Errors in the configuration do not matter here, because the
running clipal goes on with its old one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from attrs import evolve
from OpenSSL import SSL
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError, DNSLookupError
from twisted.internet.task import react
from twisted.python import usage
from twisted.web.client import ResponseFailed
from twisted.web.http_headers import Headers

from clipal.commands.address import Address
from clipal.commands.connect import given_token
from clipal.commands.options import CommandOptions
from clipal.config.directory import configuration_directory, missing_directory
from clipal.config.loader import check_configuration, load_settings
from clipal.config.model import Configuration
from clipal.config.overrides import Overrides, check_overrides
from clipal.config.problems import ConfigurationError
from clipal.config.secret import Secret
from clipal.config.settings import Settings
from clipal.dialects.registry import DIALECTS
from clipal.status.document import StatusReport

_LONGEST_ANSWER: Final = 5.0
"""Seconds for one answer; `/status` takes milliseconds."""

_TOKEN: Final = "CLIPAL_TOKEN"  # noqa: S105 (the name of a variable)

_T = TypeVar("_T")


class NotRunning(Exception):
    """No clipal could be asked; the text says where and why."""


class RunningOptions(CommandOptions):
    """The options of a command that asks the running clipal."""

    optParameters = [
        [
            "config-dir",
            "c",
            None,
            "Directory of the configuration files (default: $CLIPAL_CONFIG_DIR, else ~/.clipal).",
        ],
        ["port", "p", None, "Its port, in place of port in config.yaml."],
        ["url", "u", None, "Where it is, in place of the configuration's address: a URL, or unix:PATH."],
        [
            "token",
            None,
            None,
            "A token with status: true, for a clipal elsewhere; also '${NAME}' or file:PATH ($CLIPAL_TOKEN).",
        ],
    ]

    def parseArgs(self, *names: str) -> None:
        """Takes none."""
        if names:
            raise usage.UsageError("it takes options only, and no name")

    def postOptions(self) -> None:
        """Checks the address, and the directory: without it, another clipal's address might be asked.

        Raises:
            usage.UsageError: the port or the URL is wrong, or the directory that was named does not exist.
        """
        missing = missing_directory(self["config-dir"])
        if missing is not None and self["url"] is None:
            raise usage.UsageError(str(missing))
        try:
            check_overrides(self._overrides)
        except ConfigurationError as error:
            raise usage.UsageError(str(error)) from None
        if self["url"] is not None:
            Address.parse(self["url"])

    @property
    def _overrides(self) -> Overrides:
        return Overrides(port=self["port"])

    def configuration(self) -> Configuration:
        """The configuration, as far as it can be read."""
        files = {dialect.prefix: dialect.config_file for dialect in DIALECTS}
        return check_configuration(configuration_directory(self["config-dir"]), files, self._overrides)[0]

    def address(self, configuration: Configuration) -> Address:
        """The address of the running clipal, with the token of the command line, else that of CLIPAL_TOKEN.

        The configuration's own token is sent to the configuration's own address only.

        Raises:
            usage.UsageError: the token is none.
        """
        if self["url"] is None:
            address = evolve(self._configured(configuration.settings), mistake=self._mistake(configuration.directory))
        else:
            address = Address.parse(self["url"])
        token = given_token(self["token"], configuration.directory) or os.environ.get(_TOKEN, "").strip()
        if not token:
            return address
        if not (token.isascii() and token.isprintable()):
            raise usage.UsageError(f"{'--token' if self['token'] else _TOKEN}: it has characters that no token has")
        return evolve(address, token=Secret(token))

    def _configured(self, settings: Settings) -> Address:
        try:
            return Address.of(settings)
        except usage.UsageError:
            wanted = "there is no address in listen at which this clipal can be asked"
            raise usage.UsageError(f"{wanted}; set status_listen in config.yaml, or use --url") from None

    def _mistake(self, directory: Path) -> str:
        """The first mistake in `config.yaml`; empty where there is none."""
        try:
            load_settings(directory, [dialect.prefix for dialect in DIALECTS], self._overrides)
        except ConfigurationError as error:
            return str(error.problems[0])
        return ""


async def ask(reactor: Any, address: Address) -> StatusReport:
    """The document of `/status` at `address`.

    Raises:
        NotRunning: there is no answer, or the answer is not that of a clipal that shows its status.
    """
    try:
        client = HTTPClient(address.agent(reactor, _LONGEST_ANSWER))
        token = address.token.reveal().decode("ascii")
        headers = Headers({"Authorization": [f"Bearer {token}"]} if token else {})
        response = await client.get(f"{address.url}/status", headers=headers, timeout=_LONGEST_ANSWER)
        content = await response.content().addTimeout(_LONGEST_ANSWER, reactor)
    except Exception as error:
        doubt = f"; it may be elsewhere, for there is a mistake in {address.mistake}" if address.mistake else ""
        raise NotRunning(f"no clipal answers at {address}: {_reason(error)}{doubt}") from None
    if response.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS):
        raise NotRunning(f"{address} does not tell its status: {_message(content)}")
    try:
        found = json.loads(content)
        if response.code == 200 and isinstance(found["clients"], dict):
            return cast("StatusReport", found)
    except (ValueError, LookupError, TypeError):
        pass
    raise NotRunning(f"what answers at {address} is no clipal that has /status")


def in_reactor(work: Callable[[Any], Coroutine[Deferred[Any], Any, _T]]) -> _T:
    """Calls `work` with the reactor, and runs the reactor until `work` has ended; returns its result.

    Raises:
        KeyboardInterrupt: the reactor was stopped first.
    """
    ended: list[_T] = []
    failed: list[BaseException] = []

    async def main(reactor: Any) -> None:
        try:
            ended.append(await work(reactor))
        except Exception as error:
            failed.append(error)

    with suppress(SystemExit):
        react(main)
    if failed:
        raise failed[0]
    if not ended:
        raise KeyboardInterrupt
    return ended[0]


def _reason(error: Exception) -> str:
    if isinstance(error, CancelledError) or type(error).__name__ == "TimeoutError":
        return "it takes too long"
    if isinstance(error, ConnectError):
        number = error.osError if isinstance(error.osError, int) else 0
        return "connection refused" if isinstance(error, ConnectionRefusedError) else os.strerror(number).lower()
    if isinstance(error, DNSLookupError):
        return "no such host"
    if isinstance(error, OSError):
        return (error.strerror or "not possible").lower()
    if isinstance(error, ResponseFailed):
        is_tls = any(isinstance(each.value, SSL.Error) for each in error.reasons)
        return "its certificate is not trusted, or it does not speak TLS" if is_tls else "the connection broke off"
    return type(error).__name__


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return "forbidden"
