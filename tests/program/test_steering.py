"""`clipal status`, `use`, `reset`, `check` and `token`, as programs beside a clipal that runs."""

from __future__ import annotations

import json
import re
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from attrs import frozen

from clipal.config.client_file import read_client
from clipal.config.loader import load_settings
from clipal.config.problems import Problems
from clipal.config.settings import Settings
from tests.asking import ask
from tests.proxy import Proxy
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import PYTHON, free_port
from tests.wirekit.steps import answer
from tests.wirekit.tls import Authority
from tests.world import World

LIMITED = answer(429, b"", ((b"Retry-After", b"300"),))


@frozen
class Said:
    """How a program ended, and what it said."""

    status: int | None
    out: str
    err: str


async def said(world: World, *words: str, **env: str) -> Said:
    """`clipal` with these words."""
    program = world.program(PYTHON, "-m", "clipal", *words, env=env)
    ended = await program.ended(60)
    return Said(ended.code, program.stdout.decode(), program.stderr.decode())


def configured(directory: Path, *base_urls: str, more: str = "") -> Path:
    """Writes claude-code.yaml with the providers `one`, `two`, …."""
    path = directory / "claude-code.yaml"
    entries = [
        f"- {{name: {name}, base_url: '{url}', api_key: key-of-{name}, priority: {at}}}\n"
        for at, (name, url) in enumerate(zip(("one", "two"), base_urls, strict=False), 1)
    ]
    path.write_text(f"# mine\n{more}providers:\n{''.join(entries)}")
    path.chmod(0o600)
    return path


async def asked(world: World, proxy: Proxy) -> bytes:
    client = await world.connect(proxy.port)
    return await ask(client)


def serving(world: World, directory: Path) -> Proxy:
    """A clipal that follows the files in `directory`."""
    proxy = Proxy.load(directory)
    world._proxies.append(proxy)
    return proxy


def where(directory: Path, proxy: Proxy) -> tuple[str, ...]:
    return "--config-dir", str(directory), "--url", f"http://127.0.0.1:{proxy.port}"


@ensure_deferred
async def test_status_says_which_provider_has_a_cooldown_why_and_until_when(world: World, tmp_path: Path) -> None:
    configured(tmp_path, world.upstream(LIMITED).base_url, world.upstream(answer(200, b"two")).base_url)
    proxy = serving(world, tmp_path)
    before = await said(world, "status", *where(tmp_path, proxy))
    assert before.status == 0, before
    assert "claudecode: automatic, preferred: one" in before.out
    assert await asked(world, proxy) == b"two"
    after = await said(world, "status", *where(tmp_path, proxy))
    assert after.status == 1
    assert "claudecode: automatic, preferred: two" in after.out
    one, two = (re.search(rf"^(>?) +{name} .*$", after.out, re.M) for name in ("one", "two"))
    assert one is not None
    assert two is not None
    assert (one[1], two[1]) == ("", ">")
    assert "resting" in one[0]
    assert "rate limit" in one[0]
    assert re.search(r"until\s+[0-9]{2}:[0-9]{2}\s+\((5|4) min", after.out)
    assert max(map(len, after.out.splitlines())) <= 80
    assert "\x1b" not in after.out
    as_json = await said(world, "status", "--json", *where(tmp_path, proxy))
    assert as_json.status == 1
    assert json.loads(as_json.out)["clients"]["claudecode"]["preferred"] == "two"


@ensure_deferred
async def test_status_ends_with_2_where_no_provider_can_answer_and_where_no_clipal_listens(
    world: World, tmp_path: Path
) -> None:
    configured(tmp_path, world.upstream(answer(401, b"")).base_url)
    proxy = serving(world, tmp_path)
    await asked(world, proxy)
    none = await said(world, "status", *where(tmp_path, proxy))
    assert (none.status, "no provider can answer" in none.out) == (2, True)
    absent = await said(world, "status", "--url", f"http://127.0.0.1:{free_port()}")
    assert absent.status == 2
    assert "connection refused" in absent.err
    assert (await said(world, "status", "--url", "nonsense")).status == 3
    assert (await said(world, "status", "--jsn")).status == 3


@ensure_deferred
async def test_status_of_another_program_is_no_status(world: World) -> None:
    other = await said(world, "status", "--url", world.upstream(answer(200, b"<html>")).base_url)
    assert other.status == 2
    assert "is no clipal" in other.err


@ensure_deferred
async def test_status_is_asked_at_a_socket_file_too(world: World, tmp_path: Path) -> None:
    proxy = world.proxy({}, status_listen=tmp_path / "s")
    assert proxy.port
    found = await said(world, "status", "--url", f"unix:{tmp_path}/s")
    assert (found.status, found.err) == (0, "")
    assert "claudecode: has no providers" in found.out


@pytest.mark.skipif(sys.platform == "win32", reason="it has no pseudo-terminals")
@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
@ensure_deferred
async def test_status_is_in_colour_on_a_terminal_that_wants_it(
    world: World, tmp_path: Path, variables: dict[str, str], coloured: bool
) -> None:
    proxy = serving(world, tmp_path)
    with (tmp_path / "script.py").open("w") as file:
        file.write("import os, pty, sys\nsys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))\n")
    command = (PYTHON, tmp_path / "script.py", PYTHON, "-m", "clipal", "status", *where(tmp_path, proxy))
    environment = {"TERM": "xterm-256color", "NO_COLOR": "", "COLORTERM": "", **variables}
    program = world.program(*command, env=environment)
    assert (await program.ended(60)).code == 0
    assert "claudecode" in program.stdout.decode()
    assert (b"\x1b[" in program.stdout) is coloured


@ensure_deferred
async def test_status_finds_clipal_behind_its_own_certificate_and_no_other(
    world: World, tmp_path: Path, authority: Authority
) -> None:
    port = free_port()
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
        authority.issue(tmp_path / name, "clipal.example")
        settings = f"port: {port}\ntls: {{certificate: certificate.pem, key: key.pem}}\n"
        (tmp_path / name / "config.yaml").write_text(settings)
    program = world.program(PYTHON, "-m", "clipal", "-c", tmp_path / "right")
    await program.wait_for_output("Listening")
    assert (await said(world, "status", "-c", str(tmp_path / "right"))).status == 0
    wrong = await said(world, "status", "-c", str(tmp_path / "wrong"))
    assert (wrong.status, "no clipal answers" in wrong.err) == (2, True)
    assert "its certificate is not trusted" in wrong.err


@ensure_deferred
async def test_status_asks_at_status_listen_where_all_clients_come_through_a_proxy(
    world: World, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text('listen: ["haproxy:tcp:0"]\n')
    none = await said(world, "status", "-c", str(tmp_path))
    assert (none.status, "set status_listen" in none.err) == (3, True)
    config.write_text('listen: ["haproxy:tcp:0"]\nstatus_listen: "unix:s"\n')
    program = world.program(PYTHON, "-m", "clipal", "-c", tmp_path)
    await program.wait_for_output("Listening")
    found = await said(world, "status", "-c", str(tmp_path))
    assert (found.status, found.err) == (0, "")


@ensure_deferred
async def test_status_says_that_a_mistake_may_hide_the_address(world: World, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("port: 1\nlog_level: [\n")
    found = await said(world, "status", "-c", str(tmp_path), "-p", str(free_port()))
    assert found.status == 2
    assert f"it may be elsewhere, for there is a mistake in {tmp_path}/config.yaml:" in found.err


@ensure_deferred
async def test_status_finds_clipal_at_its_socket_file(world: World, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text('listen: ["unix:s"]\n')
    program = world.program(PYTHON, "-m", "clipal", "-c", tmp_path)
    await program.wait_for_output("Listening")
    found = await said(world, "status", "-c", str(tmp_path))
    assert (found.status, found.err) == (0, "")


@ensure_deferred
async def test_status_watched_ends_with_the_last_look(world: World, tmp_path: Path) -> None:
    proxy = serving(world, tmp_path)
    program = world.program(PYTHON, "-m", "clipal", "status", "--watch", *where(tmp_path, proxy))
    await program.wait_for_output("serving")
    program.transport.signalProcess("INT")
    assert (await program.ended()).code == 0


@ensure_deferred
async def test_use_pins_and_lets_go_and_reset_begins_afresh(world: World, tmp_path: Path) -> None:
    one, two = world.upstream(LIMITED, answer(200, b"one")), world.upstream(*[answer(200, b"two")] * 3)
    path = configured(tmp_path, one.base_url, two.base_url)
    before = path.read_bytes()
    proxy = serving(world, tmp_path)
    pinned = await said(world, "use", "claudecode", "two", *where(tmp_path, proxy))
    assert pinned.status == 0, pinned
    assert pinned.out.splitlines()[-1] == "clipal now asks only two for claudecode"
    assert await asked(world, proxy) == b"two"
    assert len(one.requests) == 0
    free = await said(world, "use", *where(tmp_path, proxy), "claudecode", "auto")
    assert (free.status, path.read_bytes()) == (0, before)
    assert free.out.splitlines()[-1] == "clipal now prefers one for claudecode"
    assert await asked(world, proxy) == b"two"
    again = await said(world, "reset", "claudecode", *where(tmp_path, proxy))
    assert (again.status, again.err, path.read_bytes()) == (0, "", before)
    assert again.out.splitlines()[-1] == "clipal now prefers one for claudecode"
    assert await asked(world, proxy) == b"one"


@ensure_deferred
async def test_use_says_when_it_is_not_in_force(world: World, tmp_path: Path) -> None:
    path = configured(tmp_path, world.upstream().base_url)
    other = tmp_path / "other"
    other.mkdir()
    elsewhere = serving(world, other)
    found = await said(world, "use", "claudecode", "one", *where(tmp_path, elsewhere))
    assert (found.status, f"reads {other}, and not {tmp_path}" in found.err) == (1, True)
    absent = await said(world, "use", "claudecode", "auto", "-c", str(tmp_path), "-p", str(free_port()))
    assert (absent.status, absent.err) == (0, "")
    assert "it counts from the next start on" in absent.out
    assert read_client(path, [Settings(tmp_path)], Problems()).pinned_provider is None
    proxy = serving(world, tmp_path)
    (tmp_path / "config.yaml").write_text("prot: 1\n")
    wrong = await said(world, "use", "claudecode", "one", *where(tmp_path, proxy))
    assert (wrong.status, "config.yaml:1: prot: unknown key" in wrong.err) == (1, True)


@ensure_deferred
async def test_use_pins_a_provider_whose_variable_only_the_running_clipal_has(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = configured(tmp_path, world.upstream().base_url, world.upstream(answer(200, b"two")).base_url)
    path.write_text(path.read_text().replace("key-of-two", "'${CLIPAL_TEST_KEY}'"))
    monkeypatch.setenv("CLIPAL_TEST_KEY", "key-of-two")
    proxy = serving(world, tmp_path)
    pinned = await said(world, "use", "claudecode", "two", *where(tmp_path, proxy), CLIPAL_TEST_KEY="")
    assert pinned.status == 0, pinned
    assert pinned.out.splitlines()[-1] == "clipal now asks only two for claudecode"
    assert await asked(world, proxy) == b"two"


@ensure_deferred
async def test_what_use_cannot_do_changes_nothing(world: World, tmp_path: Path) -> None:
    path = configured(tmp_path, "http://127.0.0.1:1")
    content = path.read_bytes()
    for words, status, says in (
        (("claudecode", "oen"), 2, "did you mean 'one'?"),
        (("claude", "one"), 2, "did you mean 'claudecode'?"),
        (("claudecode",), 2, "takes a client, and one of its providers or auto"),
        (("codex", "one"), 1, "codex.yaml: does not exist; run `clipal init`"),
    ):
        found = await said(world, "use", *words, "-c", str(tmp_path), "-p", str(free_port()))
        assert (found.status, says in found.err) == (status, True), found
    path.write_bytes(content + b"mode: &x auto\n")
    found = await said(world, "use", "claudecode", "one", "-c", str(tmp_path), "-p", str(free_port()))
    assert (found.status, "anchors are not allowed" in found.err) == (1, True)
    assert path.read_bytes() == content + b"mode: &x auto\n"


@ensure_deferred
async def test_check_shows_every_problem_and_ends_with_1_for_errors(world: World, tmp_path: Path) -> None:
    path = configured(tmp_path, "http://127.0.0.1:1/v1/messages")
    warned = await said(world, "check", "-c", str(tmp_path))
    assert (warned.status, warned.err) == (0, "")
    assert f"{path}:3: warning: providers[0].base_url: ends in an API's path" in warned.out
    assert "0 errors, 1 warning" in warned.out
    assert (await said(world, "check", "--strict", "-c", str(tmp_path))).status == 1
    path.write_text(path.read_text() + "mod: auto\n")
    (tmp_path / "codex.yaml").write_text("\tproviders:\n")
    (tmp_path / "codex.yaml").chmod(0o600)
    wrong = await said(world, "check", "--json", "-c", str(tmp_path))
    assert wrong.status == 1
    problems = json.loads(wrong.out)["problems"]
    assert [set(each) for each in problems] == [{"file", "line", "key", "message", "hint", "severity"}] * 3
    assert [(each["line"], each["key"], each["severity"]) for each in problems] == [
        (3, "providers[0].base_url", "warning"),
        (4, "mod", "error"),
        (1, None, "error"),
    ]
    missing = await said(world, "check", "-c", str(tmp_path / "none"))
    assert (missing.status, "run `clipal init`" in missing.out) == (1, True)
    served = await said(world, "-c", str(tmp_path / "none"))
    assert (served.status, "run `clipal init`" in served.err, (tmp_path / "none").exists()) == (1, True, False)


@ensure_deferred
async def test_check_online_connects_and_asks_nothing(world: World, tmp_path: Path) -> None:
    upstream = world.upstream()
    configured(tmp_path, upstream.base_url, f"http://127.0.0.1:{free_port()}")
    found = await said(world, "check", "--online", "-c", str(tmp_path))
    assert found.status == 1
    assert "claudecode: one is reachable" in found.out
    assert "error: providers[1].base_url: two is not reachable: connection refused; see that base_url" in found.out
    assert len(upstream.requests) == 0
    with (tmp_path / "config.yaml").open("w") as file:
        file.write(f"upstream_proxy: http://127.0.0.1:{free_port()}\n")
    configured(tmp_path, "http://192.0.2.1")
    found = await said(world, "check", "--online", "-c", str(tmp_path))
    assert "forward proxy: connection refused; see that the forward proxy's URL is what you mean" in found.out


@ensure_deferred
async def test_a_new_token_agrees_with_its_entry(world: World) -> None:
    made = await said(world, "token", "new", "anna", "--client", "codex", "--status")
    assert (made.status, made.err) == (0, "")
    (token,) = re.findall(r"^  (clp_[A-Za-z0-9_-]{43})$", made.out, re.M)
    assert f'token: "sha256:{sha256(token.encode()).hexdigest()}"' in made.out
    assert made.out.count(token) == 1
    assert "clients: [codex]" in made.out
    assert "status: true" in made.out
    assert (await said(world, "token", "make", "anna")).status == 2


@ensure_deferred
async def test_a_token_for_monitoring_alone_is_for_no_client(world: World, tmp_path: Path) -> None:
    made = await said(world, "token", "new", "prometheus", "--status-only")
    (tmp_path / "config.yaml").write_text(made.out[made.out.index("client_tokens:") :])
    (token,) = load_settings(tmp_path, ["codex"]).client_tokens
    assert (token.name, token.clients, token.status) == ("prometheus", frozenset(), True)
    assert (await said(world, "token", "new", "a", "--status-only", "--client", "codex")).status == 2


@ensure_deferred
async def test_warnings_are_said_at_the_start_and_not_at_each_reload(world: World, tmp_path: Path) -> None:
    path = configured(tmp_path, "http://127.0.0.1:1/v1/messages")
    proxy = serving(world, tmp_path)
    for _ in range(2):
        assert sum("ends in an API's path" in line for line in proxy.lines) == 1
        path.touch()
        proxy.service._reloader.check()
    assert any("Loaded the configuration" in line for line in proxy.lines)


TELLS = json.dumps(
    {
        "version": "0",
        "state": "serving",
        "uptime_seconds": 1,
        "open_requests": 0,
        "configuration": {"directory": "/x", "error": None},
        "clients": {},
    }
).encode()


@ensure_deferred
async def test_status_shows_the_token_that_it_is_given(world: World, tmp_path: Path) -> None:
    elsewhere = world.upstream(answer(200, TELLS))
    url = elsewhere.base_url.rstrip("/")
    (tmp_path / "token").write_text("clp_from_a_file\n")
    where = ("--config-dir", str(tmp_path), "--url", url)
    assert (await said(world, "status", *where)).status == 0
    assert (await said(world, "status", *where, "--token", "clp_on_the_line", CLIPAL_TOKEN="clp_env")).status == 0
    assert (await said(world, "status", *where, "--token", "file:token")).status == 0
    assert (await said(world, "status", *where, CLIPAL_TOKEN="clp_env")).status == 0
    assert [each.values(b"authorization") for each in elsewhere.requests] == [
        [],
        [b"Bearer clp_on_the_line"],
        [b"Bearer clp_from_a_file"],
        [b"Bearer clp_env"],
    ]


@ensure_deferred
async def test_the_configurations_own_token_goes_nowhere_else(world: World, tmp_path: Path) -> None:
    here, elsewhere = world.upstream(answer(200, TELLS)), world.upstream(answer(200, TELLS))
    (tmp_path / "config.yaml").write_text(
        f"port: {here.port}\nclient_tokens:\n- {{name: a, token: clp_for_requests_and_no_more}}\n"
        "- {name: b, token: clp_that_may_read_the_status, status: true}\n"
    )
    assert (await said(world, "status", "--config-dir", str(tmp_path))).status == 0
    assert here.requests[0].values(b"authorization") == [b"Bearer clp_that_may_read_the_status"]
    assert (await said(world, "status", "--config-dir", str(tmp_path), "--url", elsewhere.base_url)).status == 0
    assert elsewhere.requests[0].values(b"authorization") == []


@ensure_deferred
async def test_a_token_that_is_not_let_in_is_told_and_not_shown(world: World, tmp_path: Path) -> None:
    refusal = json.dumps({"error": {"message": "That is none of clipal's tokens."}}).encode()
    elsewhere = world.upstream(answer(401, refusal))
    where = ("--config-dir", str(tmp_path), "--url", elsewhere.base_url)
    ended = await said(world, "status", *where, "--token", "clp_wrong")
    assert ended.status == 2
    assert "does not tell its status: That is none of clipal's tokens." in ended.err
    for wrong in ("sha256:" + "0" * 64, "a\nb"):
        ended = await said(world, "status", *where, "--token", wrong)
        assert ended.status == 3
        assert "Traceback" not in ended.err
        assert wrong not in ended.err
