"""Forward proxies in the files and in the environment: which provider is reached through which."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipal.config.forward_proxy import bypasses
from clipal.config.reach import ForwardProxy
from clipal.config.secret import Secret
from tests.configuring import PROVIDERS, failing, load

PLAIN = "port: 3333"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def proxy(
    directory: Path, config: str = PLAIN, more: str = "", url: str = "https://one.example"
) -> ForwardProxy | None:
    """The proxy of the only provider."""
    client = PROVIDERS.replace("https://one.example", url) + more
    (provider,) = load(directory, config, client).clients["claudecode"].providers
    return provider.proxy


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("http://h:3128", ForwardProxy("http", "h", 3128)),
        ("HTTP://user:p%40%3Ass@h:3128/", ForwardProxy("http", "h", 3128, Secret("user"), Secret("p@:ss"))),
        ("https://h", ForwardProxy("https", "h", 443)),
        ("socks5://h", ForwardProxy("socks5", "h", 1080)),
        ("socks5h://u:p@[::1]:9", ForwardProxy("socks5h", "::1", 9, Secret("u"), Secret("p"))),
        ("environment", None),
        ("direct", None),
        ("", None),
    ],
)
def test_a_proxy_is_read_for_all_and_for_one(tmp_path: Path, written: str, expected: ForwardProxy | None) -> None:
    assert proxy(tmp_path, f'upstream_proxy: "{written}"') == expected
    assert proxy(tmp_path, PLAIN, f'    proxy: "{written}"') == expected


@pytest.mark.parametrize(
    "written",
    [
        "ftp://ecret:1",
        "h:3128",
        "socks4://h:1",
        "http://ecret@",
        "http://h:99999",
        "http://u:ecret@h:1/path",
        "none",
        "http://:ecret@h:1",
        "socks5://u@h",
        "socks5://%C3%BC:ecret@h",
        "http://a%3Ab:ecret@h",
    ],
)
def test_a_wrong_proxy_is_a_mistake_and_is_not_repeated(tmp_path: Path, written: str) -> None:
    assert failing(tmp_path, f'upstream_proxy: "{written}"').key == "upstream_proxy"
    assert failing(tmp_path, PLAIN, f'{PROVIDERS}    proxy: "{written}"\n').key == "providers[0].proxy"


@pytest.mark.parametrize(
    ("config", "more", "host"),
    [
        ("upstream_proxy: http://all:1", "", "all"),
        ("upstream_proxy: http://all:1", "    proxy: http://own:1", "own"),
        ("upstream_proxy: http://all:1", "    proxy: direct", None),
        ("upstream_proxy: http://all:1", "    proxy: environment", "env"),
        ("upstream_proxy: direct", "", None),
        (PLAIN, "", "env"),
        ("upstream_proxy_mode: custom\nupstream_proxy_url: http://all:1", "", "all"),
        ("upstream_proxy_url: http://all:1", "", "all"),
        ("upstream_proxy_mode: direct\nupstream_proxy_url: http://all:1", "", None),
        ("upstream_proxy_mode: environment", "", "env"),
        ("upstream_proxy_mode: ''\nupstream_proxy_url: ''", "", "env"),
        ("upstream_proxy: http://all:1", "    proxy_mode: custom\n    proxy_url: http://own:1", "own"),
        ("upstream_proxy: http://all:1", "    proxy_mode: inherit\n    proxy_url: ''", "all"),
        ("upstream_proxy: http://all:1", "    proxy_mode: direct", None),
        ("upstream_proxy: http://all:1", "    proxy_mode: environment", "env"),
    ],
)
def test_a_providers_own_setting_counts_before_that_of_all_and_the_originals_names_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, more: str, host: str | None
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://env:1")
    found = proxy(tmp_path, config, more)
    assert (found and found.host) == host


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ("upstream_proxy: direct\nupstream_proxy_mode: direct", "upstream_proxy_mode"),
        ("upstream_proxy: direct\nupstream_proxy_url: http://h:1", "upstream_proxy_url"),
        ("upstream_proxy_mode: custom", "upstream_proxy_mode"),
        ("upstream_proxy_mode: custom\nupstream_proxy_url: ''", "upstream_proxy_url"),
        ("upstream_proxy_mode: inherit", "upstream_proxy_mode"),
    ],
)
def test_settings_that_contradict_each_other_are_a_mistake(tmp_path: Path, config: str, key: str) -> None:
    assert failing(tmp_path, config).key == key


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9", "http://x.localhost:9"])
def test_loopback_never_goes_through_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://env:1")
    assert proxy(tmp_path, url=url) is None
    assert proxy(tmp_path, "upstream_proxy: http://all:1", "    proxy: http://own:1", url=url) is None


@pytest.mark.parametrize(
    ("variables", "url", "host"),
    [
        ({"https_proxy": "http://low:1", "HTTPS_PROXY": "http://up:1"}, "https://h", "low"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://up:1"}, "https://h", "up"),
        ({"HTTPS_PROXY": "http://up:1"}, "http://h", None),
        ({"HTTP_PROXY": "http://up:1"}, "http://h", "up"),
        ({"HTTP_PROXY": "http://up:1"}, "https://h", None),
        ({"ALL_PROXY": "socks5h://all:1", "HTTP_PROXY": "http://up:1"}, "https://h", "all"),
        ({"ALL_PROXY": "bare:3128"}, "https://h", "bare"),
        ({"ALL_PROXY": "http://all:1", "NO_PROXY": "h"}, "https://h", None),
        ({"ALL_PROXY": "http://all:1", "no_proxy": "x", "NO_PROXY": "h"}, "https://h", "all"),
        ({"HTTP_PROXY": "http://up:1", "REQUEST_METHOD": "GET"}, "http://h", None),
    ],
)
def test_the_environment_is_read_as_curl_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, host: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = proxy(tmp_path, url=url)
    assert (found and found.host) == host


def test_a_wrong_variable_fails_closed_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://u:ecret@h:1")
    error = failing(tmp_path, PLAIN, PROVIDERS)
    assert "the environment variable HTTPS_PROXY names no proxy" in error.text
    assert proxy(tmp_path, "upstream_proxy: direct") is None


def test_no_proxy_counts_for_the_environment_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    assert proxy(tmp_path, "upstream_proxy: http://all:1") is not None


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "named"),
    [
        ("*", "h", 1, True),
        ("a.example, h", "h", 1, True),
        ("a.example h", "h", 1, True),
        ("example.com", "example.com", 1, True),
        ("Example.COM.", "api.example.com", 1, True),
        (".example.com", "api.example.com", 1, True),
        (".example.com", "example.com", 1, True),
        ("*.example.com", "api.example.com", 1, True),
        ("ample.com", "example.com", 1, False),
        ("api.example.com", "example.com", 1, False),
        ("h:443", "h", 443, True),
        ("h:443", "h", 80, False),
        ("10.0.0.1", "10.0.0.1", 1, True),
        ("10.0.0.0/8", "10.9.8.7", 1, True),
        ("10.0.0.0/8", "11.0.0.1", 1, False),
        ("10.0.0.1:80", "10.0.0.1", 80, True),
        ("[fd00::1]", "fd00::1", 1, True),
        ("[fd00::1]:80", "fd00::1", 81, False),
        ("fd00::/8", "fd12::1", 1, True),
        ("0.0.0.1", "10.0.0.1", 1, False),
        ("", "h", 1, False),
        (",, .", "h", 1, False),
    ],
)
def test_what_no_proxy_names(no_proxy: str, host: str, port: int, named: bool) -> None:
    assert bypasses(no_proxy, host, port) is named


def test_a_proxys_password_is_a_secret_of_the_configuration(tmp_path: Path) -> None:
    configuration = load(tmp_path, "upstream_proxy: http://user:hidden%40word@h:1", PROVIDERS)
    assert "hidden@word" in configuration.secrets
    assert "hidden" not in repr(configuration)
