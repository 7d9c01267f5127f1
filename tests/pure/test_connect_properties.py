"""`clipal connect` and `disconnect` on configurations that nobody would think of.

Each is generated with comments, odd orders, CRLF, byte order marks, unknown keys, and maybe with our own settings in
it already. Whatever it is: all else stays, and the way back leads to the same bytes.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from clipal.connect.client import ClientFile, ClientProgram
from clipal.connect.diff import diff
from clipal.connect.edits import SYNTAXES, Changed, Edited, edited, undone
from clipal.connect.formats.syntax import UnreadableFile
from clipal.connect.plan import Plan, connection, disconnection
from clipal.connect.record import Record, load_record
from clipal.connect.registry import PROGRAMS

BASE = "http://127.0.0.1:3333"
OLD, NEW = "marker-old", "marker-new"
ENDINGS = st.sampled_from(["\n", "\r\n"])
SECRET = "s3cret"

WORDS = st.sampled_from(["model", "theme", "über", "a b", "x.y", "env2", "mcpServers", "hooks", "apiKey", "日本"])
TEXTS = st.sampled_from([f"sk-{SECRET}", f"{SECRET} // no comment", f'{SECRET} "quoted"', f"{SECRET} # {{[", ""])


# JSON

VALUES = st.recursive(
    st.one_of(TEXTS, st.booleans(), st.none(), st.integers(), st.just(1.5e300)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)
OURS = {
    "json": {
        "env": st.one_of(
            st.just({}),
            st.fixed_dictionaries(
                {},
                optional={
                    "ANTHROPIC_BASE_URL": st.sampled_from(["https://old.example.com", f"{BASE}/claudecode"]),
                    "ANTHROPIC_API_KEY": TEXTS,
                    "OTHER": TEXTS,
                },
            ),
        )
    },
    "jsonc": {
        "security": st.one_of(
            st.just({}),
            st.fixed_dictionaries(
                {}, optional={"auth": st.sampled_from([{}, {"selectedType": "oauth"}, {"other": True}]), "x": VALUES}
            ),
        )
    },
}


@st.composite
def json_texts(draw: st.DrawFn, syntax: str) -> str:
    """An object in some layout; comments only where the syntax has them."""
    members = draw(st.dictionaries(WORDS, VALUES, max_size=4))
    members |= draw(st.fixed_dictionaries({}, optional=OURS[syntax]))
    members["marker"] = OLD
    order = draw(st.permutations(sorted(members)))
    indent = draw(st.sampled_from([None, None, "  ", "    ", "\t"]))
    text = json.dumps({name: members[name] for name in order}, indent=indent, ensure_ascii=draw(st.booleans()))
    if indent is not None and syntax == "jsonc":
        text = "".join(draw(commented(line)) for line in text.splitlines(keepends=True))
    text += "\n" * draw(st.integers(0, 2))
    return draw(st.sampled_from(["", "\ufeff"])) + text.replace("\n", draw(ENDINGS))


def commented(line: str) -> st.SearchStrategy[str]:
    """A line with a comment behind or above, or none."""
    if not line.endswith("\n"):
        return st.sampled_from([line, f"{line} // {SECRET} end", f"// {SECRET} {{\n{line}"])
    body = line[:-1]
    return st.sampled_from(
        [line, line, f"{body} // {SECRET}, }}\n", f'  // {SECRET} "a": 1,\n{line}', f"{body} /* * */\n"]
    )


# TOML

ROOT = [
    'model = "gpt-5" # why',
    f"key = '{SECRET}'",
    f'notify = [\n  "{SECRET}", # [not.a.table]\n  "b"\n]',
    f'text = """\n[model_providers.clipal]\nmodel_provider = "{SECRET}"\n"""',
    f"raw = '''\n[x]''{SECRET}'''",
    "# a comment",
    "",
    "flag = true",
    "at = 2026-11-05T10:00:00Z",
    "a.b = 1",
    "inline = { x = 1, y = [1, 2] }",
]
TABLES = [
    '[projects."/home/x"]\ntrust_level = "trusted"',
    "# about it\n[tui]\nx = 1 # x",
    f'[[list]]\nname = "{SECRET}"\n\n[[list]]\nname = "b"',
    f'[model_providers.other]\nname = "o"\nhttp_headers = {{ Authorization = "{SECRET}" }}',
    "[empty]",
    "[mcp_servers.a.env]\n  INDENTED = 'yes'\n\n# the end",
]
PROVIDERS = [
    "",
    "",
    '[model_providers.clipal]\nname = "mine"',
    f'[model_providers.clipal]\n  base_url = "{BASE}/codex/v1"\n\n# next',
    '[model_providers.clipal.http_headers]\nx = "y"',
    '[model_providers]\nclipal.name = "dotted"',
]
ROOT_PROVIDERS = [
    "model_providers = { }",
    "model_providers = {}",
    f'model_providers = {{ other = {{ name = "{SECRET}" }}, "a b" = [{{ x = 1 }}, {{}}] }} # {{ x',
    'model_providers = {clipal={name="mine"}}',
    'model_providers.clipal = { name = "mine", x.y = "}," }',
    "model_providers.clipal = { }  # none",
    'model_providers.other.name = "dotted"',
    "model_providers.clipal.http_headers = { x = 'y' }",
]
NESTED = ["[[model_providers.other.model_providers.a]]\nx = 1\n\n[model_providers.other.model_providers.a.clipal]"]


@st.composite
def toml_texts(draw: st.DrawFn) -> str:
    """Statements of the root, then tables."""
    lines = draw(st.lists(st.sampled_from(ROOT), max_size=5, unique=True))
    provider = draw(st.sampled_from(["", "", 'model_provider = "openai"', "model_provider = 'clipal' # mine"]))
    tables = draw(st.lists(st.sampled_from(TABLES), max_size=4, unique=True))
    if draw(st.booleans()):
        tables.insert(draw(st.integers(0, len(tables))), draw(st.sampled_from(PROVIDERS)))
    else:  # a table that a key makes must not have a header too
        tables = [each for each in tables if not each.startswith("[model_providers")]
        lines.append(draw(st.sampled_from(ROOT_PROVIDERS)))
        if lines[-1].startswith("model_providers.clipal"):
            tables += draw(st.lists(st.sampled_from(NESTED), max_size=1))
    gap = draw(st.sampled_from(["\n", "\n\n"]))
    marker = f'marker = "{OLD}"'
    head = draw(st.sampled_from(["#:schema https://example.com/s.json", "", "# mine"]))
    root = draw(st.permutations([each for each in (*lines, provider, marker) if each]))
    text = gap.join(each for each in (head, "\n".join(root), *tables) if each) + draw(st.sampled_from(["", "\n"]))
    return draw(st.sampled_from(["", "\ufeff"])) + text.replace("\n", draw(ENDINGS))


# dotenv

VARIABLES = [
    "# GEMINI_API_KEY=s3cret",
    "",
    f"export OTHER_KEY={SECRET}",
    f"QUOTED='{SECRET}' # GOOGLE_GEMINI_BASE_URL=no",
    f'LINES="{SECRET}\nGOOGLE_GEMINI_BASE_URL=no\n"',
    f"no assignment {SECRET}",
    "  SPACED = x y ",
    f"UNCLOSED='{SECRET}",
    "EMPTY=",
]
VARIABLES_OF_OURS = [
    "",
    "",
    'export GOOGLE_GEMINI_BASE_URL="https://old.example.com" # old',
    "GOOGLE_GEMINI_BASE_URL=",
    f"GOOGLE_GEMINI_BASE_URL={BASE}/gemini",
]


@st.composite
def dotenv_texts(draw: st.DrawFn) -> str:
    """Lines in any order."""
    lines = draw(st.lists(st.sampled_from(VARIABLES), max_size=6, unique=True))
    ours = [
        draw(st.sampled_from(VARIABLES_OF_OURS)),
        draw(st.sampled_from(["", f"GEMINI_API_KEY={SECRET}", "GEMINI_API_KEY="])),
    ]
    # an unclosed quote takes what follows up to the next quote, for dotenv too
    lines = sorted(lines, key=lambda line: line.startswith("UNCLOSED"))
    kept = draw(st.permutations([each for each in (f"MARKER={OLD}", *ours) if each]))
    text = "\n".join((*kept, *lines)) + draw(st.sampled_from(["", "\n"]))
    return draw(st.sampled_from(["", "\ufeff"])) + text.replace("\n", draw(ENDINGS))


# What holds for all of them

TEXT_OF = {
    "json": json_texts("json"),
    "jsonc": json_texts("jsonc"),
    "toml": toml_texts(),
    "dotenv": dotenv_texts(),
}
FILES: dict[str, ClientFile] = {
    file.syntax.name: file for client in PROGRAMS.values() for file in client.files(Path("/"), BASE, None)
}


def connected(name: str, text: str) -> Edited:
    return edited(SYNTAXES[name], text, FILES[name].settings)


CASES = st.sampled_from(sorted(FILES)).flatmap(lambda name: st.tuples(st.just(name), TEXT_OF[name]))
each_syntax = settings(max_examples=50 * len(FILES))


@each_syntax
@given(CASES)
def test_the_settings_are_there_and_a_second_time_changes_nothing(case: tuple[str, str]) -> None:
    name, text = case
    done = connected(name, text)
    event(f"{len(done.edits)} edits")
    assert connected(name, done.text).edits == ()
    for edit in done.edits:
        assert SYNTAXES[name].raw(done.text.removeprefix("\ufeff"), edit.path) == SYNTAXES[name].literal(edit.new)


@each_syntax
@given(CASES)
def test_nothing_is_taken_away_or_put_elsewhere(case: tuple[str, str]) -> None:
    name, text = case
    done = connected(name, text)
    mark, after = ("\ufeff", done.text[1:]) if text.startswith("\ufeff") else ("", done.text)
    for edit in done.edits:
        if edit.old is not None:
            after = SYNTAXES[name].replace(after, edit.path, edit.old)
    characters = iter(mark + after)
    assert all(each in characters for each in text)
    if "\r\n" in text:
        assert re.search(r"(?<!\r)\n", done.text) is None
    assert text.endswith("\n") == done.text.endswith("\n")


@each_syntax
@given(CASES)
def test_the_way_back_is_exact_when_something_else_has_changed(case: tuple[str, str]) -> None:
    name, text = case
    done = connected(name, text)
    assert undone(SYNTAXES[name], done.text.replace(OLD, NEW), done) == text.replace(OLD, NEW)


# Texts that nobody has written like that


@st.composite
def broken(draw: st.DrawFn, text: str) -> str:
    """`text` with pieces of it doubled, moved or lost, and with characters that do not belong there."""
    for _ in range(draw(st.integers(1, 3))):
        start, end = sorted(draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
        piece = draw(
            st.sampled_from(["", text[start:end], "\r\n", *"\0\n[]{}\"'=.,#/\\\ufeff\u2028", "[[", "/*", '"""'])
        )
        at = draw(st.sampled_from([start, end, len(text)]))
        text = text[:at] + piece + (text[end:] if at == start else text[at:])
    return text


BROKEN = CASES.flatmap(lambda case: st.tuples(st.just(case[0]), st.just(case[1]), broken(case[1])))


@each_syntax
@given(BROKEN)
@example(("json", '{"marker": "marker-old"}', '{\r\n"marker": "marker-old"}'))
def test_a_broken_text_is_edited_or_refused(case: tuple[str, str, str]) -> None:
    name, text, other = case
    done = refusal = None
    try:
        done = connected(name, other)
    except UnreadableFile as error:
        refusal = error
    event("edited" if done else "refused")
    if done:
        assert undone(SYNTAXES[name], done.text, done) == other
    if refusal:
        assert SECRET not in refusal.problem
        assert refusal.line is None or 1 <= refusal.line <= other.count("\n") + 1
    with suppress(Changed, UnreadableFile):
        undone(SYNTAXES[name], other, connected(name, text))


# On disk

CONTENTS = st.sampled_from(["missing", "file", "link", "dangling link"])


def snapshot(directory: Path) -> dict[str, object]:
    """All that is in a directory: links, bytes and modes."""
    return {
        str(path.relative_to(directory)): path.readlink()
        if path.is_symlink()
        else (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in sorted(directory.rglob("*"))
    }


def put(path: Path, content: str, text: str) -> None:
    """Makes a file, or a link in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    elsewhere = path.parent.parent / "dotfiles" / path.name
    elsewhere.parent.mkdir(exist_ok=True)
    if content == "file":
        path.write_bytes(text.encode())
        path.chmod(0o640)
    else:
        path.symlink_to(Path("..") / "dotfiles" / path.name)
        if content == "link":
            elsewhere.write_bytes(text.encode())


def plan_of(client: ClientProgram, directory: Path, record: Path, base: str) -> Plan:
    return connection(client.files(directory, base, None), load_record(record) or Record(record))


@settings(max_examples=50 * len(PROGRAMS))
@given(client=st.sampled_from(sorted(PROGRAMS)).map(PROGRAMS.__getitem__), data=st.data())
def test_disconnect_leaves_every_byte_as_it_was_and_no_secret_is_shown(
    client: ClientProgram, data: st.DataObject
) -> None:
    with TemporaryDirectory() as name:
        root = Path(name)
        home, record = root / "home", root / "connected" / f"{client.name}.json"
        home.mkdir()
        for file in client.files(home / "dot", BASE, None):
            content = data.draw(CONTENTS)
            if content != "missing":
                put(file.path, content, data.draw(TEXT_OF[file.syntax.name]))
        before = snapshot(home)
        shown = []
        for base in (BASE, BASE, "http://127.0.0.1:4444"):
            plan = plan_of(client, home / "dot", record, base)
            shown += list(diff(plan))
            plan.carry_out()
        kept = load_record(record)
        assert kept is not None
        back = disconnection(kept)
        shown += list(diff(back))
        back.carry_out()
        assert snapshot(home) == before
        assert not record.parent.exists()
    assert SECRET not in "\n".join(shown)
