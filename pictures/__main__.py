"""The command line: `python -m pictures FILE`, from the root of a checkout, with the extra `bench` installed."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from pictures.dashboard import draw
from pictures.scene import run


def main() -> None:
    """Runs the scene and draws it."""
    parser = argparse.ArgumentParser(prog="python -m pictures", description="Draws a run of clipal from its metrics.")
    parser.add_argument("file", type=Path, help="where the picture goes, as SVG")
    parser.add_argument("--seconds", type=float, default=80.0, help="how long the run is")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        scrapes = run(options.seconds, Path(directory))
    draw(scrapes, options.file)


if __name__ == "__main__":
    main()
