"""Small rules of admission: a Host's name, what is loopback, the path in a target."""

from __future__ import annotations

import pytest

from clipal.downstream.admission import host_name, is_loopback, path_of


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        (b"localhost", "localhost"),
        (b"LocalHost:3333", "localhost"),
        (b"localhost:", "localhost"),
        (b"127.0.0.1:80", "127.0.0.1"),
        (b"[::1]", "::1"),
        (b"[::1]:3333", "::1"),
        (b"[::FFFF:127.0.0.1]:1", "127.0.0.1"),
        (b"[0:0:0:0:0:0:0:1]", "::1"),
        (b"a_b.example.", "a_b.example."),
        (b"local%68ost", "local%68ost"),
        (b"", None),
        (b":80", None),
        (b"a:b", None),
        (b"a:1:2", None),
        (b"::1", None),
        (b"[::1", None),
        (b"[]", None),
        (b"[::1]x", None),
        (b"[v1.a]", None),
        (b"me@localhost", None),
        (b"a/b", None),
        (b"a b", None),
        (b"a, b", None),
        (b"a\n", None),
        (b"a:123456", None),
        (b"b\xfccher", None),
    ],
)
def test_a_hosts_name_is_without_port_and_brackets(authority: bytes, name: str | None) -> None:
    assert host_name(authority) == name


@pytest.mark.parametrize(
    ("name", "loopback"),
    [
        ("localhost", True),
        ("localhost.", True),
        ("clipal.localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("127.0.0.1.", True),
        ("::1", True),
        ("0:0:0:0:0:0:0:1", True),
        ("localhost..", False),
        ("notlocalhost", False),
        ("localhost.example.com", False),
        ("127.0.0.1.nip.io", False),
        ("128.0.0.1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("127.1", False),
        ("2130706433", False),
        ("0x7f.0.0.1", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_only(name: str, loopback: bool) -> None:
    assert is_loopback(name) is loopback


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/codex/v1?x", b"/codex/v1?x"),
        (b"//codex", b"//codex"),
        (b"/http://localhost/codex", b"/http://localhost/codex"),
        (b"http://localhost/codex?a=b", b"/codex?a=b"),
        (b"HTTP://localhost:3333/codex", b"/codex"),
        (b"http://localhost//codex", b"//codex"),
        (b"http://localhost", b"/"),
        (b"http://localhost?a=b", b"/?a=b"),
        (b"*", b"*"),
    ],
)
def test_a_targets_path_is_what_stands_behind_the_authority(target: bytes, path: bytes) -> None:
    assert path_of(target) == path
