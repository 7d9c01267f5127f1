"""The plugin's side of twistd: the command line's options, and the service that they make.

The configuration is read and the ports are bound before twistd leaves the terminal, so that their errors are seen
there. An error is one line on standard error and status 1.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, NoReturn

from twisted.application.service import IService
from twisted.logger import globalLogPublisher
from twisted.python import usage

from clipal.config.directory import configuration_directory, missing_directory
from clipal.config.endpoint import Endpoint
from clipal.config.loader import load_configuration, load_settings
from clipal.config.model import Configuration
from clipal.config.overrides import Overrides, check_overrides
from clipal.config.problems import ConfigurationError
from clipal.config.settings import Settings
from clipal.dialects.registry import DIALECTS
from clipal.logs.observer import Logs, open_logs
from clipal.process.clock import use_monotonic_time
from clipal.process.early_signals import hold_signal, ignore_hangup, ignore_user_signals
from clipal.process.garbage import spare_what_stays
from clipal.process.handover import handover_path
from clipal.process.listening import CannotListen, Listener, open_listeners
from clipal.service import Clipal


class Options(usage.Options):
    """The options of `twistd clipal`, and of `clipal` itself."""

    synopsis = "[options]"
    optParameters = [
        [
            "config-dir",
            "c",
            None,
            "Directory of the configuration files (default: $CLIPAL_CONFIG_DIR, else ~/.clipal).",
        ],
        ["listen-addr", None, None, "Address to listen on, in place of listen_addr in config.yaml."],
        ["port", "p", None, "Port to listen on, in place of port in config.yaml."],
        ["log-level", "l", None, "debug, info, warn or error, in place of log_level in config.yaml."],
    ]

    def postOptions(self) -> None:
        """Checks the options that replace settings of config.yaml.

        Raises:
            usage.UsageError: an option has a wrong value.
        """
        try:
            check_overrides(self.overrides)
        except ConfigurationError as error:
            raise usage.UsageError(str(error)) from None

    @property
    def other_log(self) -> bool:
        """Whether twistd's command line names a log, which twistd then writes."""
        return self.parent is not None and any(map(self.parent.get, ("logger", "logfile", "syslog")))

    @property
    def daemonizes(self) -> bool:
        """Whether twistd is about to leave the terminal."""
        return self.parent is not None and not self.parent.get("nodaemon", True)

    @property
    def overrides(self) -> Overrides:
        """The options that replace settings of config.yaml."""
        return Overrides(listen_addr=self["listen-addr"], port=self["port"], log_level=self["log-level"])


def makeService(options: Options) -> IService:
    """The service, ready to be started.

    Raises:
        SystemExit: see `make_service`.
    """
    return make_service(options)


def make_service(
    options: Options, inherited: tuple[Listener, ...] | None = None, inherited_status: socket.socket | None = None
) -> Clipal:
    """The service, ready to be started.

    Parameters:
        inherited: what another process has listened on; None where this one is to listen itself.
        inherited_status: the same for `status_listen`.

    Raises:
        SystemExit: with a line for the operator, where the configuration is wrong or the port is taken.
    """
    hold_signal("SIGHUP")
    ignore_user_signals(*(["SIGUSR2"] if options.other_log else []))  # twistd rotates its own log on SIGUSR1
    from twisted.internet import reactor

    reactor.addSystemEventTrigger("after", "shutdown", ignore_hangup)
    use_monotonic_time(reactor)  # type: ignore[arg-type]
    spare_what_stays(reactor)
    configuration = load(options)
    if inherited is None:
        listeners, status_listening = listen(configuration), listen_for_status(configuration)
    else:
        listeners, status_listening = inherited, inherited_status
    hold_signal("SIGTERM")  # nothing slow follows; a daemon that died of it would leave twistd in the terminal waiting
    logs = open_logs(configuration.settings, configuration.secrets)
    if options.other_log:
        globalLogPublisher.addObserver(logs)  # besides the log that twistd writes
    return _service(reactor, options, configuration, listeners, status_listening, logs)


def _service(
    reactor: Any,
    options: Options,
    configuration: Configuration,
    listeners: tuple[Listener, ...],
    status_listening: socket.socket | None,
    logs: Logs,
) -> Clipal:
    """The service of this process: it serves, or it is the parent of the workers that do."""
    is_the_log = not options.other_log
    supervised = options.daemonizes or "NOTIFY_SOCKET" in os.environ
    if configuration.settings.workers > 1:
        from clipal.parent import Parent

        files = {dialect.prefix: dialect.config_file for dialect in DIALECTS}
        return Parent(  # type: ignore[return-value]  # a service like it, whose module only a parent loads
            reactor,
            configuration,
            options.overrides,
            files,
            listeners,
            logs,
            status_listening,
            is_the_log=is_the_log,
            supervised=supervised,
        )
    return Clipal(
        reactor,
        configuration,
        options.overrides,
        DIALECTS,
        listeners,
        logs,
        status_listening,
        is_the_log=is_the_log,
        supervised=supervised,
        handover=handover_path(configuration.directory, configuration.settings.endpoints),
    )


def _directory_of(options: Options) -> Path:
    if (missing := missing_directory(options["config-dir"])) is not None:
        fail(str(missing))
    return configuration_directory(options["config-dir"])


def load(options: Options) -> Configuration:
    """The configuration that `options` name."""
    directory = _directory_of(options)
    clients = {dialect.prefix: dialect.config_file for dialect in DIALECTS}
    try:
        return load_configuration(directory, clients, options.overrides)
    except ConfigurationError as error:
        fail("\nclipal: ".join(map(str, error.problems)))


def load_settings_of(options: Options) -> Settings:
    """The settings that `options` name, whatever is in the clients' files."""
    directory = _directory_of(options)
    try:
        clients = [dialect.prefix for dialect in DIALECTS]
        return load_settings(directory, clients, options.overrides)
    except ConfigurationError as error:
        fail("\nclipal: ".join(map(str, error.problems)))


def listen(configuration: Configuration) -> tuple[Listener, ...]:
    """The sockets that listen for clients, as the configuration says."""
    try:
        return open_listeners(configuration.settings.endpoints)
    except CannotListen as error:
        fail(str(error))


def listen_for_status(configuration: Configuration) -> socket.socket | None:
    """The socket that listens for `status_listen`; None where that is not set."""
    where = configuration.settings.status_listen
    if where is None:
        return None
    shown = f"unix:{where}"
    endpoint = Endpoint(shown, path=where) if isinstance(where, Path) else Endpoint.tcp(*where)
    try:
        return open_listeners([endpoint])[0].socket
    except CannotListen as error:
        fail(str(error))


def fail(problem: str) -> NoReturn:
    """Ends with status 1 and `problem` on standard error."""
    raise SystemExit(f"clipal: {problem}")
