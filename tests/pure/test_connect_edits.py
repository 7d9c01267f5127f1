"""Settings put into a text of each format: where they come to stand, what is refused, and what is shown."""

from __future__ import annotations

import time

import pytest

from clipal.connect.edits import DOTENV, JSON, JSON_WITH_COMMENTS, TOML, Changed, Setting, edited, undone
from clipal.connect.formats.dotenv_text import DotenvText
from clipal.connect.formats.syntax import Syntax, UnreadableFile

A_B = (Setting(("a", "b"), "new"),)
A = (Setting(("a",), "new"),)

JSON_EDITS = {
    "": '{\n  "a": {\n    "b": "new"\n  }\n}\n',
    " \r\n": '{\r\n  "a": {\r\n    "b": "new"\r\n  }\r\n} \r\n',
    "{}": '{\n  "a": {\n    "b": "new"\n  }\n}',
    "{\n}\n": '{\n  "a": {\n    "b": "new"\n  }\n}\n',
    '{"x": 1}': '{"x": 1, "a": {"b": "new"}}',
    '{"x": 1, "a": {}}': '{"x": 1, "a": {"b": "new"}}',
    '{\n\t"x": 1\n}\n': '{\n\t"x": 1,\n\t"a": {\n\t\t"b": "new"\n\t}\n}\n',
    '{\r\n  "x": 1\r\n}': '{\r\n  "x": 1,\r\n  "a": {\r\n    "b": "new"\r\n  }\r\n}',
    '{\n    "a": {"x": [1, {}]}\n}': '{\n    "a": {"x": [1, {}], "b": "new"}\n}',
    '{\n  "a": {\n    "x": 1\n  },\n  "y": 2\n}': '{\n  "a": {\n    "x": 1,\n    "b": "new"\n  },\n  "y": 2\n}',
    '{"a": {"b" : "old"}}': '{"a": {"b" : "new"}}',
    '{"a": {"b": null}}': '{"a": {"b": "new"}}',
    '{"a": {"b": "new"}}': '{"a": {"b": "new"}}',
    '\ufeff{"a": {"b": 1}}': '\ufeff{"a": {"b": "new"}}',
}


@pytest.mark.parametrize("syntax", [JSON, JSON_WITH_COMMENTS], ids=["json", "jsonc"])
@pytest.mark.parametrize(("text", "result"), JSON_EDITS.items(), ids=range(len(JSON_EDITS)))
def test_json_keeps_its_layout(syntax: Syntax, text: str, result: str) -> None:
    assert edited(syntax, text, A_B).text == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ('{ // c\n  "x": 1 // d\n}', '{ // c\n  "x": 1, // d\n  "a": {\n    "b": "new"\n  }\n}'),
        ('{"a": {"x": 1} /* , */ }', '{"a": {"x": 1, "b": "new"} /* , */ }'),
        ('{"a": {"x": 1 // d\n}}', '{"a": {"x": 1, // d\n  "b": "new"\n}}'),
        ('{"a": { // d\n}}', '{"a": { // d\n  "b": "new"\n}}'),
        ('// c\n{\n  /* d */\n  "a": {}\n}', '// c\n{\n  /* d */\n  "a": {\n    "b": "new"\n  }\n}'),
    ],
)
def test_comments_in_json_stay_where_they_are(text: str, result: str) -> None:
    done = edited(JSON_WITH_COMMENTS, text, A_B)
    assert done.text == result
    assert undone(JSON_WITH_COMMENTS, done.text, done) == text


BLOCK = '[a]\nb = "new"'
TOML_EDITS = {
    "": BLOCK + "\n",
    "x = 1": "x = 1\n\n" + BLOCK,
    "x = 1\r\n": "x = 1\r\n\r\n" + BLOCK.replace("\n", "\r\n") + "\r\n",
    "[a]": BLOCK,
    "[a] # c\n[z]\n": '[a] # c\nb = "new"\n[z]\n',
    "[a]\n  x = 1\n\n# about z\n[z]\n": '[a]\n  x = 1\n  b = "new"\n\n# about z\n[z]\n',
    "a.x = 1\nz = 1\n": 'a.x = 1\na.b = "new"\nz = 1\n',
    "[a.c]\nx = 1\n": "[a.c]\nx = 1\n\n" + BLOCK + "\n",
    "a = { x = 1 } # c\n": 'a = { x = 1, b = "new" } # c\n',
    "a = {}": 'a = {b = "new"}',
    "a = { x = [1, 2], y = { z = '}' } }\n": "a = { x = [1, 2], y = { z = '}' }, b = \"new\" }\n",
    "a.b = 'old' # c\n[[x.a]]\n": 'a.b = "new" # c\n[[x.a]]\n',
    "a = { b = 'old', c = 1 } # c\n": 'a = { b = "new", c = 1 } # c\n',
    "[a]\nb = 'old' # c\n": '[a]\nb = "new" # c\n',
    '[z]\nx = """\n[a]\nb = 1"""\n': '[z]\nx = """\n[a]\nb = 1"""\n\n' + BLOCK + "\n",
    "[a]\nx = [\n  '[z]', # ]\n]\n[z]\n": "[a]\nx = [\n  '[z]', # ]\n]\nb = \"new\"\n[z]\n",
}


@pytest.mark.parametrize(("text", "result"), TOML_EDITS.items(), ids=range(len(TOML_EDITS)))
def test_a_value_comes_into_its_table(text: str, result: str) -> None:
    assert edited(TOML, text, A_B).text == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", 'a = "new"\n'),
        ("# c", 'a = "new"\n# c'),
        ("#:schema s\n", '#:schema s\na = "new"\n'),
        ("#:schema s", '#:schema s\na = "new"'),
        ("#:schema s\n# about z\n[z]\n", '#:schema s\na = "new"\n# about z\n[z]\n'),
        ("x = 1\n\n# about z\n[z]\na = 2\n", 'x = 1\na = "new"\n\n# about z\n[z]\na = 2\n'),
        ("a = true # c\n", 'a = "new" # c\n'),
        ("[[z]]\na = 1\n[y]\n[[z]]\na = 2\n", 'a = "new"\n[[z]]\na = 1\n[y]\n[[z]]\na = 2\n'),
    ],
)
def test_a_value_of_no_table_comes_before_all_tables(text: str, result: str) -> None:
    assert edited(TOML, text, A).text == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", "a=new\n"),
        ("x=1", "x=1\na=new"),
        ("x=1\r\n", "x=1\r\na=new\r\n"),
        ("export a = 'old' # c\n", "export a = new # c\n"),
        ("a=\n", "a=new\n"),
        ('a="x\ny"\nz=1', "a=new\nz=1"),
        ("# a=old\nx='\na=1\n'\n", "# a=old\nx='\na=1\n'\na=new\n"),
        ("a='new'", "a='new'"),
    ],
)
def test_a_variable_has_its_line(text: str, result: str) -> None:
    assert edited(DOTENV, text, A).text == result


@pytest.mark.parametrize("text", [" " * 300_000, f"x={' ' * 300_000}\ry", f"x={'y ' * 150_000}", "x='\\'" * 50_000])
def test_a_long_line_costs_no_more_than_its_length(text: str) -> None:
    begun = time.process_time()
    done = edited(DOTENV, text, A)
    DOTENV.masked(done.text, frozenset())
    assert time.process_time() - begun < 5
    assert undone(DOTENV, done.text, done) == text


KEY = "sk-s3cret"


@pytest.mark.parametrize(
    ("syntax", "text", "line"),
    [
        (JSON, '{\n"a": {"k": "sk-s3cret"\n', 3),
        (JSON, '{"k": "sk-s3cret",}', 1),
        (JSON, '{\n  "k": [1, "sk-s3cret",\n]}', 2),
        (JSON, '{"k" "sk-s3cret"}', 1),
        (JSON, '{"k": "sk-s3cret"} {}', 1),
        (JSON, '{"k": sk-s3cret}', 1),
        (JSON, '{k: "sk-s3cret"}', 1),
        (JSON, '{"k": [1 2]}', 1),
        (JSON, "{\n// sk-s3cret\n}", 2),
        (JSON, '"sk-s3cret"', 1),
        (JSON, '{"a": ' + "[" * 100, 1),
        (JSON, '{"a": {"b": 1, "b": "sk-s3cret"}}', 1),
        (JSON, '{"a": "sk-s3cret"}', None),
        (JSON, '{"a": {"b": {"k": "sk-s3cret"}}}', None),
        (JSON_WITH_COMMENTS, '{"k": 1} /* sk-s3cret', 1),
        (TOML, 'x = 1\nk = "sk-s3cret\n', 2),
        (TOML, "[k]\nx.y = 'sk-s3cret'\n[k.x]\n", None),
        (TOML, "[a]\nx = 'sk-s3cret'\n[z]\n[a]\ny = 1\n", 4),
        (TOML, "[a.env]\nx = 'sk-s3cret'\n\n[z]\n\n[a.env]\ny = 1\n", 6),
        (TOML, "x = 1\ny = 'sk-s3cret'\nx = 2\n", 3),
        (TOML, "x = 'sk-s3cret'\ny = [1,\n\n", 2),
        (TOML, "x = " + "[" * 5000 + "]" * 5000, None),
        (TOML, "x = 0x" + "f" * 5000, None),
        (TOML, "x = 'sk-s3cret'\nb = \0\n", 2),
        (TOML, "[[a]]\nb = 'sk-s3cret'\n", None),
        (TOML, "[a.b]\nx = 'sk-s3cret'\n", None),
    ],
)
def test_what_cannot_be_edited_is_refused_and_not_quoted(syntax: Syntax, text: str, line: int | None) -> None:
    with pytest.raises(UnreadableFile) as caught:
        edited(syntax, text, A_B)
    if line is not None:
        assert caught.value.line == line
    assert KEY not in caught.value.problem


def test_a_variable_that_is_set_twice_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="set twice") as caught:
        edited(DOTENV, "a=1\nx=2\na=3\n", A)
    assert caught.value.line == 3


def test_a_text_that_does_as_well_is_left() -> None:
    settings = (Setting(("a",), "new", unless=(("a",), ("c",))),)
    assert edited(DOTENV, "a=mine", settings).edits == ()
    assert edited(DOTENV, "c=mine", settings).edits == ()
    assert edited(DOTENV, "c=\na=", settings).text == "c=\na=new"


@pytest.mark.parametrize(
    ("syntax", "settings", "text", "later", "back"),
    [
        (JSON, A_B, "{}", '{"a":{"b":"new","x":1}}', '{"a":{"x":1}}'),
        (JSON, A_B, "{}", '{"a": {"b": "new"}, "x": 1}', '{ "x": 1}'),
        (JSON, A_B, "{}", '{"x": 1, "a": {}}', '{"x": 1}'),
        (
            JSON,
            A_B,
            '{"a": {"b": 1}}',
            '{\n  "a": {\n    "b": "new"\n  },\n  "x": 1\n}',
            '{\n  "a": {\n    "b": 1\n  },\n  "x": 1\n}',
        ),
        (JSON, A_B, '{"a": {"b": 1}}', '{"x": 1, "a": {"b": 1}}', '{"x": 1, "a": {"b": 1}}'),
        (JSON, A_B, "{}", "{}", "{}"),
        (JSON, A_B, "{}", "", ""),
        (JSON_WITH_COMMENTS, A_B, "{}", '{"a": { // mine\n"b": "new"}}', '{"a": { // mine\n}}'),
        (JSON_WITH_COMMENTS, A_B, '{"a": {}}', '{"a": {"x": 1, // mine\n"b": "new"}}', '{"a": {"x": 1 // mine\n}}'),
        (TOML, A_B, "", '[a]\nb = "new"\nx = 1\n', "[a]\nx = 1\n"),
        (TOML, A_B, "", '[a]\n# mine\nb = "new"\n# next\n[z]\n', "# mine\n# next\n[z]\n"),
        (TOML, A_B, "", "x = 1\n", "x = 1\n"),
        (TOML, A_B, "[a]\n", '[a]\nb = "new"\n', "[a]\n"),
        (TOML, A_B, "[a]", '[a]\r\nb = "new"', "[a]"),
        (DOTENV, A, "", "x=1\na=new\ny=2\n", "x=1\ny=2\n"),
        (DOTENV, A, "a='1'", "a=new\ny=2\n", "a='1'\ny=2\n"),
        (DOTENV, A, "", "y=2\n", "y=2\n"),
    ],
)
def test_only_our_values_are_taken_out_again(
    syntax: Syntax, settings: tuple[Setting, ...], text: str, later: str, back: str
) -> None:
    assert undone(syntax, later, edited(syntax, text, settings)) == back


@pytest.mark.parametrize(
    ("syntax", "text", "later"),
    [
        (JSON, "{}", '{"a": {"b": "mine"}}'),
        (JSON, '{"a": {"b": "old"}}', "{}"),
        (JSON, '{"a": {"b": "old"}}', '{"a": 1}'),
        (TOML, "", '[a]\nb = "mine"\n'),
    ],
)
def test_a_value_that_was_changed_by_hand_is_not_touched(syntax: Syntax, text: str, later: str) -> None:
    done = edited(syntax, text, A_B)
    with pytest.raises(Changed, match=r"a\.b"):
        undone(syntax, later, done)
    assert undone(syntax, later, done, leave_changed=True) == later


@pytest.mark.parametrize(
    ("later", "back"),
    [
        ('a = { b = "new" }\n', "a = { }\n"),
        ('a = {b = "new"}\n', "a = {}\n"),
        ('a = { b = "new", x = 1 } # c\n', "a = { x = 1 } # c\n"),
        ('a = { x = { y = 1 } , b = "new" }', "a = { x = { y = 1 } }"),
        ('a = { x = 1, b = "new", z = 2 }', "a = { x = 1, z = 2 }"),
    ],
)
def test_a_value_that_came_into_a_table_on_one_line_is_taken_out_of_it(later: str, back: str) -> None:
    assert undone(TOML, later, edited(TOML, "", A_B)) == back


PROVIDER = (
    Setting(("model_provider",), "clipal"),
    Setting(("model_providers", "clipal", "name"), "clipal"),
    Setting(("model_providers", "clipal", "base_url"), "http://127.0.0.1:3333/codex/v1"),
)


@pytest.mark.parametrize(
    "text",
    [
        'model_providers.clipal = { name = "mine" }\n\n[[model_providers.other.model_providers.a]]\nx = 1\n',
        'model_providers = { other = { name = "o" } }\n',
        "model_providers = { }\n[z]\n",
        'model_providers = { clipal = { name = "mine" }, "über" = { x = [{}] } }\n',
        "model_providers.clipal = {}\n",
        'model_providers.other.name = "o"\n',
        '[model_providers]\nother = { name = "o" }\nclipal = { wire_api = "chat" }\n',
        "[model_providers.\"clipal\"]\nname = 'mine'\n",
        "[[z]]\n[z.model_providers.clipal]\nname = 1\n[[z]]\n[z.model_providers.clipal]\n",
        '[model_providers.clipal.env]\nx = 1\n[other]\n[model_providers.clipal.more]\ny = "#"\n',
    ],
)
def test_a_provider_comes_into_whatever_its_tables_are_written_as(text: str) -> None:
    done = edited(TOML, text, PROVIDER)
    assert [TOML.raw(done.text, each.path) for each in PROVIDER] == [TOML.literal(each.value) for each in PROVIDER]
    assert edited(TOML, done.text, PROVIDER).edits == ()
    assert undone(TOML, done.text, done) == text


class Careless(DotenvText):
    """Loses a line with each one that it adds."""

    def insert(self, text: str, path: tuple[str, ...], value: str) -> str:
        return super().insert(text, path, value).partition("\n")[2]


def test_a_result_in_which_something_else_has_changed_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="without changing something else"):
        edited(Careless(), "x=1\n", A)


def test_variables_have_no_tables() -> None:
    assert DOTENV.remove_empty("a=\n", ("a",)) == "a=\n"


@pytest.mark.parametrize(
    ("syntax", "text", "shown"),
    [
        (JSON, '{"k": ["sk-s3cret", 1, true], "u": "plain"}', '{"k": ["...", 1, true], "u": "plain"}'),
        (JSON_WITH_COMMENTS, "// sk-s3cret\n{/* sk-s3cret */}", "// ...\n{/* ... */}"),
        (TOML, 'k = \'sk-s3cret\' # sk-s3cret\n"u" = "plain"\n', 'k = "..." # ...\n"u" = "plain"\n'),
        (TOML, 'k = """\nsk-s3cret"""', 'k = "..."'),
        (DOTENV, "# sk-s3cret\nK=sk-s3cret # sk-s3cret\n\nU=plain", "...\nK=...\n\nU=plain"),
        (DOTENV, "export K='sk\n-s3cret'\nnothing sk-s3cret", "export K=...\n..."),
        (DOTENV, 'K="\nc2stczNjcmV0==\n', "K=...\n...=...\n"),
    ],
)
def test_what_is_shown_has_names_and_only_plain_values(syntax: Syntax, text: str, shown: str) -> None:
    assert syntax.masked(text, frozenset({'"plain"', "plain"})) == shown
