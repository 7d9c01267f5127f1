"""Two clipals behind HAProxy, `python -m benchmarks.pool PORT DIRECTORY COMMAND…`, with COMMAND for clipal.

HAProxy works as in examples/haproxy.cfg. DIRECTORY has the configuration that both clipals are given; each gets a
directory of its own in it.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.processes import end_on_sigterm, free_port

_EXAMPLE: Final = Path(__file__).resolve().parent.parent / "examples" / "haproxy.cfg"
_CLIPAL: Final = """listen: ["haproxy:tcp:{port}:interface=127.0.0.1"]
protected_mode: false
log_stdout: false
"""


def main(port: int, directory: Path, clipal: Sequence[str]) -> None:
    """Serves until SIGTERM."""
    program = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        raise SystemExit("haproxy is not installed (Debian: apt install haproxy)")
    end_on_sigterm()
    ports = {"one": free_port(), "two": free_port()}
    commands = [[*clipal, "--config-dir", str(_configured(directory, *each))] for each in ports.items()]
    balancer = directory / "haproxy.cfg"
    balancer.write_text(_balancing(port, ports))
    processes = [subprocess.Popen(command) for command in (*commands, [program, "-db", "-f", str(balancer)])]
    try:
        signal.pause()
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def _configured(directory: Path, name: str, port: int) -> Path:
    place = directory / name
    place.mkdir()
    shutil.copy(directory / "claude-code.yaml", place)
    (place / "config.yaml").write_text(_CLIPAL.format(port=port))
    (place / "config.yaml").chmod(0o600)
    return place


def _balancing(front: int, ports: dict[str, int]) -> str:
    """The example at other ports, with as many servers as there are, and without the time in which one warms up."""
    text = _EXAMPLE.read_text().replace("bind 127.0.0.1:3333", f"bind 127.0.0.1:{front}").replace("slowstart 10s", "")
    text = re.sub(r"^ *server .*\n", "", text, flags=re.MULTILINE)
    return text + "".join(f"    server {name} 127.0.0.1:{port}\n" for name, port in ports.items())


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
