"""A provider's `ca_file`, `client_certificate` and `client_key`, read and tried."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from typing import Final

from clipal.config.references import read_small_file

_LONGEST: Final = 4 * 1024 * 1024
"""Bytes of a file of certificates: a system's bundle has 250 kB."""


def read_authorities(file: Path) -> str:
    """The certificates in `file`.

    Raises:
        ValueError: it cannot be read, or holds none; the text names it.
    """
    pem = read_small_file(file, _LONGEST)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise ValueError(f"the file {file} holds no certificates in PEM") from None
    return pem


def check_certificate(certificate: Path, key: Path | None) -> bytes:
    """A digest of the files, which hold a certificate and its key.

    Raises:
        ValueError: they cannot be read, or do not; the text names them.
    """
    content = "".join(read_small_file(file, _LONGEST) for file in (certificate, key) if file is not None)
    try:
        # Without this password, OpenSSL would ask for one on the terminal if the key is encrypted.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password="-")  # noqa: S106
    except (OSError, ValueError):
        where = f"{certificate} and {key} hold" if key else f"{certificate} holds"
        raise ValueError(f"{where} no certificate in PEM with its key, not encrypted") from None
    return hashlib.sha256(content.encode()).digest()
