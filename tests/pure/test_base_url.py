"""A provider's `base_url`: what is taken, and what is refused without being repeated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipal.config.base_url import parse_base_url
from clipal.config.model import BaseURL


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://api.example.com", BaseURL("https", "api.example.com", 443)),
        ("http://api.example.com", BaseURL("http", "api.example.com", 80)),
        ("HTTPS://API.Example.COM/V1", BaseURL("https", "api.example.com", 443, b"/V1")),
        ("https://api.example.com/", BaseURL("https", "api.example.com", 443)),
        ("https://api.example.com/v1//", BaseURL("https", "api.example.com", 443, b"/v1")),
        ("https://api.example.com//a//b", BaseURL("https", "api.example.com", 443, b"//a//b")),
        ("https://api.example.com:8443/v1", BaseURL("https", "api.example.com", 8443, b"/v1")),
        ("https://api.example.com:/v1", BaseURL("https", "api.example.com", 443, b"/v1")),
        ("http://h:1", BaseURL("http", "h", 1)),
        ("http://h:65535", BaseURL("http", "h", 65535)),
        ("http://127.0.0.1:8080/x", BaseURL("http", "127.0.0.1", 8080, b"/x")),
        ("http://[::1]:8080/x", BaseURL("http", "::1", 8080, b"/x")),
        ("http://[0:0:0:0:0:0:0:1]", BaseURL("http", "::1", 80)),
        ("http://api.example.com.", BaseURL("http", "api.example.com.", 80)),
        (f"http://{'a' * 63}.1x", BaseURL("http", f"{'a' * 63}.1x", 80)),
        ("https://bücher.example", BaseURL("https", "xn--bcher-kva.example", 443)),
        ("https://XN--bcher-kva.Example.", BaseURL("https", "xn--bcher-kva.example.", 443)),
        ("https://a-b.c--d.example", BaseURL("https", "a-b.c--d.example", 443)),
        ("https://BÜCHER.example/a", BaseURL("https", "xn--bcher-kva.example", 443, b"/a")),
        ("https://bücher.example?a=1", BaseURL("https", "xn--bcher-kva.example", 443, b"", b"a=1")),
        ("https://h/a%2Fb/../c", BaseURL("https", "h", 443, b"/a%2Fb/../c")),
        ("https://h/p?api-version=1&x", BaseURL("https", "h", 443, b"/p", b"api-version=1&x")),
        ("https://h?a=/b/", BaseURL("https", "h", 443, b"", b"a=/b/")),
        ("https://h/p?", BaseURL("https", "h", 443, b"/p")),
    ],
)
def test_a_url_is_taken_apart(text: str, url: BaseURL) -> None:
    assert parse_base_url(text) == url


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a URL"),
        ("api.example.com", "not a URL"),
        ("//api.example.com", "not a URL"),
        ("ftp://api.example.com", "not a URL"),
        ("https:/api.example.com", "not a URL"),
        ("file:///etc/passwd", "not a URL"),
        ("https://me:secret@h", "user name or password"),
        ("https://@h", "user name or password"),
        ("https://h/#x", "fragment"),
        ("https://h#", "fragment"),
        ("https://", "without a host"),
        ("https:///v1", "without a host"),
        ("https://:80", "without a host"),
        ("https://h:0", "port"),
        ("https://h:65536", "port"),
        ("https://h:123456", "port"),
        ("https://h:x", "port"),
        ("https://h:-1", "port"),
        ("https://a:1:2", "malformed"),
        ("https://[::1", "malformed"),
        ("https://[::1]x", "malformed"),
        ("https://::1", "malformed"),
        ("https://[127.0.0.1]", "IPv6"),
        ("https://[::g]", "IPv6"),
        ("https://127.0.0.256", "IP address"),
        ("https://127.1", "IP address"),
        ("https://2130706433", "IP address"),
        ("https://0x7f000001", "IP address"),
        ("https://0177.0.0.1", "IP address"),
        ("https://1.2.3.4.", "IP address"),
        ("https://256.0.0.1", "IP address"),
        ("https://a!b", "host name"),
        ("https://a..b", "host name"),
        ("https://-a.example", "host name"),
        ("https://a-.example", "host name"),
        ("https://--", "host name"),
        ("https://xn--", "host name"),
        ("https://xn--a.example", "host name"),
        ("https://.", "host name"),
        (f"https://{'a' * 64}.example", "host name"),
        (f"https://{'a.' * 127}example", "host name"),
        ("https://ü..example", "host name"),
        ("https://%61.example", "host name"),
        ("https://h/a b", "white space"),
        ("https://h/\r\nX: y", "white space"),
        ("https://h/\0", "white space"),
        ("https://h\x7f", "white space"),
        ("https://h/ü", "percent-encoded"),
        ("https://h?ü", "percent-encoded"),
        ("https://ü.example/ü", "percent-encoded"),
        ("https://ü.example?ü", "percent-encoded"),
    ],
)
def test_anything_else_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_base_url(text)


@pytest.mark.parametrize("text", ["sk-secret", "https://me:sk-secret@h", "https://sk-secret!", "https://h:sk-secret"])
def test_a_refusal_does_not_repeat_the_text(text: str) -> None:
    with pytest.raises(ValueError, match="URL") as raised:
        parse_base_url(text)
    assert "secret" not in str(raised.value)


@given(st.text(max_size=40).map("https://".__add__) | st.text(max_size=40))
def test_whatever_the_text_is_it_is_a_url_or_refused_as_none(text: str) -> None:
    try:
        url = parse_base_url(text)
    except ValueError:
        return
    assert url.host.isascii()
    assert url.host
    assert 1 <= url.port <= 65535
    assert not url.path.endswith(b"/")
