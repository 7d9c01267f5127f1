"""The one-file program: clipal and what it depends on, for one platform and one version of Python.

shiv unpacks it once, into ~/.shiv, for a compiled module cannot be imported out of a zip archive.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path


def build_pyz(root: Path, wheel: Path, output: Path, epoch: int) -> Path:
    """Builds `clipal.pyz` out of the wheel and the locked releases of its dependencies."""
    path = output / "clipal.pyz"
    with tempfile.TemporaryDirectory() as name:
        site, requirements = Path(name) / "site", Path(name) / "requirements.txt"
        locked = (root / "requirements" / "run.txt").read_text("utf-8")
        # By its hash, and not by its path, which pip would write into what it installs.
        ours = f"clipal=={wheel.name.split('-')[1]} --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}\n"
        requirements.write_text(locked + ours, "utf-8")
        # At once: pip puts no second package into the folder `twisted`, where clipal's plugins are.
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(site)]
        pip += [
            "--require-hashes",
            "--only-binary",
            ":all:",
            "--find-links",
            str(wheel.parent),
            "--requirement",
            str(requirements),
        ]
        subprocess.run(pip, check=True)
        shiv = [sys.executable, "-m", "shiv", "--site-packages", str(site), "--reproducible", "--compressed"]
        shiv += ["--extend-pythonpath"]  # for the processes that clipal starts
        shiv += ["--preamble", str(Path(__file__).with_name("preamble.py"))]
        shiv += [
            "--entry-point",
            "clipal.__main__:main",
            "--python",
            f"/usr/bin/env python{sys.version_info[0]}.{sys.version_info[1]}",
            "--output-file",
            str(path),
        ]
        subprocess.run(shiv, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)})
    return path
