"""The sdist and the wheel, from the checkout as it is: nothing is written into it.

setuptools writes the time of the build, the builder's name and the files' modes into its archives. The sdist is packed
anew without them, and the wheel is built out of that sdist.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

SOURCE: Final = ("clipal", "twisted", "share", "setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
"""What the sdist is made of; it is copied, for setuptools leaves files beside what it builds."""
OLDEST: Final = 315532800
"""1980-01-01: a zip archive cannot say an earlier time."""
_BUILD: Final = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


def build_packages(root: Path, output: Path, epoch: int) -> tuple[Path, Path]:
    """Builds both into `output`, of the checkout at `root`.

    Parameters:
        epoch: the time that stands in them (`SOURCE_DATE_EPOCH`).

    Returns:
        the sdist and the wheel.
    """
    output.mkdir(parents=True, exist_ok=True)
    epoch = max(epoch, OLDEST)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        _copy(root, work / "source")
        (built,) = _build("build_sdist", work / "source", work / "sdist", epoch)
        sdist = output / built.name
        _pack_anew(built, sdist, epoch)
        with tarfile.open(sdist) as archive:
            archive.extractall(work / "unpacked", filter="data")
        (source,) = (work / "unpacked").iterdir()
        (built,) = _build("build_wheel", source, work / "wheel", epoch)
        return sdist, Path(shutil.copy(built, output / built.name))


def _copy(root: Path, to: Path) -> None:
    to.mkdir()
    for name in SOURCE:
        path = root / name
        if path.is_dir():
            shutil.copytree(path, to / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "dropin.cache"))
        else:
            shutil.copy(path, to / name)


def _build(hook: str, source: Path, to: Path, epoch: int) -> list[Path]:
    """Runs a hook of PEP 517 in `source`, with the setuptools of this environment: what it made in `to`."""
    to.mkdir()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", _BUILD, hook, str(to)]
    ran = subprocess.run(command, cwd=source, env=environment, umask=0o022, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"{hook} failed:\n{ran.stdout}{ran.stderr}")
    return list(to.iterdir())


def _pack_anew(archive: Path, to: Path, epoch: int) -> None:
    """Copies the files of a tar archive in order of their names, with one time, no owner, and one mode."""
    with (
        tarfile.open(archive) as old,
        to.open("wb") as file,
        gzip.GzipFile("", "wb", mtime=epoch, fileobj=file) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            if not member.isfile():
                continue
            plain = tarfile.TarInfo(member.name)
            plain.size, plain.mtime, plain.mode = member.size, epoch, 0o644
            new.addfile(plain, old.extractfile(member))
