"""`ca_file`, `client_certificate` and `client_key`: what is wrong with them is found when the files are read."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.configuring import PROVIDERS, failing, load


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a certificate with its key, the key of another one, and a key that has a password."""
    directory, authority = tmp_path_factory.mktemp("files"), trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    ours, other = authority.issue_cert("clipal.example"), authority.issue_cert("other.example")
    ours.cert_chain_pems[0].write_to_path(str(directory / "cert.pem"))
    ours.private_key_pem.write_to_path(str(directory / "key.pem"))
    other.private_key_pem.write_to_path(str(directory / "other.pem"))
    key = load_pem_private_key(ours.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    (directory / "locked.pem").write_bytes(locked)
    (directory / "text.pem").write_text("no certificate\n")
    return directory


@pytest.mark.parametrize(
    ("lines", "key", "problem"),
    [
        (["ca_file: {}/none.pem"], "ca_file", "none.pem cannot be read"),
        (["ca_file: {}/text.pem"], "ca_file", "text.pem holds no certificates in PEM"),
        (["ca_file: {}/key.pem"], "ca_file", "key.pem holds no certificates in PEM"),
        (["ca_file: [x]"], "ca_file", "must be text"),
        (["client_certificate: {}/none.pem"], "client_certificate", "none.pem cannot be read"),
        (["client_certificate: {}/cert.pem"], "client_certificate", "no certificate in PEM with its key"),
        (
            ["client_certificate: {}/cert.pem", "client_key: {}/other.pem"],
            "client_certificate",
            "no certificate in PEM with its key",
        ),
        (
            ["client_certificate: {}/cert.pem", "client_key: {}/locked.pem"],
            "client_certificate",
            "with its key, not encrypted",
        ),
        (["client_key: {}/key.pem"], "client_key", "needs client_certificate"),
        (["verify: false"], "verify", "unknown key"),
        (["insecure: true"], "insecure", "unknown key"),
    ],
)
def test_a_file_of_no_use_is_named(tmp_path: Path, files: Path, lines: list[str], key: str, problem: str) -> None:
    text = PROVIDERS + "".join(f"    {line.format(files)}\n" for line in lines)
    error = failing(tmp_path, client=text)
    assert error.key == f"providers[0].{key}"
    assert problem in error.text


def test_a_file_that_has_changed_is_another_trust(tmp_path: Path, files: Path) -> None:
    text = PROVIDERS + "    ca_file: own.pem\n"
    (tmp_path / "own.pem").write_bytes((files / "ca.pem").read_bytes())
    before = load(tmp_path, client=text).clients["claudecode"]
    assert load(tmp_path, client=text).clients["claudecode"] == before
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "own.pem"))
    assert load(tmp_path, client=text).clients["claudecode"] != before


def test_files_of_a_provider_that_is_not_enabled_are_not_read(tmp_path: Path) -> None:
    text = PROVIDERS + "    ca_file: none.pem\n    enabled: false\n"
    assert load(tmp_path, client=text).clients["claudecode"].providers[0].trust is None
