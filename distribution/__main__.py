"""`python -m distribution dist`: builds the sdist and the wheel, and with `--pyz` the one-file program.

`SHA256SUMS` beside them has their checksums. The time in them is `SOURCE_DATE_EPOCH`, else that of the last commit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Final

from distribution.packages import OLDEST, build_packages
from distribution.pyz import build_pyz

ROOT: Final = Path(__file__).resolve().parents[1]


def last_commit() -> int:
    """The time of the last commit; the oldest that fits where there is no repository."""
    command = ["git", "log", "-1", "--format=%ct"]
    try:
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return OLDEST
    return int(ran.stdout) if ran.returncode == 0 else OLDEST


def main() -> None:
    """Builds them."""
    parser = argparse.ArgumentParser(prog="python -m distribution")
    parser.add_argument("output", type=Path)
    parser.add_argument("--pyz", action="store_true", help="build the one-file program too (needs shiv)")
    arguments = parser.parse_args()
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or last_commit())
    built = list(build_packages(ROOT, arguments.output, epoch))
    if arguments.pyz:
        built.append(build_pyz(ROOT, built[1], arguments.output, epoch))
    sums = [f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in built]
    (arguments.output / "SHA256SUMS").write_text("".join(sums))
    for path in built:
        print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
