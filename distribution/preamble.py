"""What `clipal.pyz` runs first: it ends with a line where its compiled modules are not for this Python or this system.

Without it the first of them would end in a traceback. shiv gives the directory into which it has unpacked the program
as `site_packages`. This file is to run with older versions of Python, too.
"""

import sys
from importlib.machinery import EXTENSION_SUFFIXES

compiled = [path.name for path in site_packages.glob("httptools/parser/parser.*[od]")]  # type: ignore[name-defined]  # noqa: F821
if not [name for name in compiled if name[len("parser") :] in EXTENSION_SUFFIXES]:
    sys.exit(
        "clipal: this file was built for another Python or system ({}), and this is Python {}.{}; "
        "see docs/install.md for other ways".format(", ".join(compiled), *sys.version_info[:2])
    )
