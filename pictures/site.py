"""The front page of the site: `python -m pictures.site SITE FILE` draws it as Chromium shows it.

`make docs` builds the site; Debian's package `chromium` is enough.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

from PIL import Image

SIZE: Final = (1280, 900)
COLOURS: Final = 48
"""Few, so that the file is small: there is no photograph on the page."""
_PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def main(site: Path, path: Path) -> None:
    """Draws the page `index.html` of the site."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        raise SystemExit(f"the picture of the site needs one of {', '.join(_PROGRAMS)}")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with tempfile.TemporaryDirectory() as name:
            shot = Path(name) / "site.png"
            options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=4000"]
            options += [f"--user-data-dir={name}/profile", f"--window-size={SIZE[0]},{SIZE[1]}"]
            url = f"http://127.0.0.1:{server.server_port}/index.html"
            subprocess.run([program, *options, f"--screenshot={shot}", url], check=True, stderr=subprocess.DEVNULL)
            Image.open(shot).convert("RGB").quantize(COLOURS).save(path, optimize=True)
        server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
