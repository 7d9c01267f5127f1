"""Where a request names its model: in a body by a scan of its top level, for Gemini in the path."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipal.dialects import model_name
from clipal.dialects.gemini import GEMINI
from clipal.dialects.model_name import UnreadableBody, find_model_names

LARGE = b"x" * (30 * 1024 * 1024)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"model":"a"}', ["a"]),
        (b'\xef\xbb\xbf {\r\n\t"model" \n:\t"a" , "x":1}\r\n', ["a"]),
        (b'{"messages":[{"model":"no"}],"tool":{"model":{"model":"no"}},"model":"a"}', ["a"]),
        (b'{"model":"a","tools":[{"properties":{"model":{"type":"string"}}}]}', ["a"]),
        (b'{"prompt":"{\\"model\\":\\"no\\"}","model":"a"}', ["a"]),
        (b'{"prompt":"ends in a backslash \\\\","model":"a"}', ["a"]),
        (b'{"prompt":"\\\\\\"model\\":","model":"a"}', ["a"]),
        (b'{"a":"model","model":"a","b":"model"}', ["a"]),
        (b'{"\\u006dod\\u0065l":"a"}', ["a"]),
        (b'{"\\\\u006dodel":"no"}', []),
        (b'{"model":"a\\u002d\\"b\\"\\u00e9"}', ['a-"b"\u00e9']),
        (b'{"model":"\xc3\xa9"}', ["\u00e9"]),
        (b'{"model":"a","x":-1.5e3,"model":"b"}', ["a", "b"]),
        (b'{"model":null,"x":true,"model":"b"}', ["b"]),
        (b'{"model":["a"]}', []),
        (b'{"model":{"model":"no"}}', []),
        (b'{"Model":"no","models":"no","mode":"no"}', []),
        (b'{"x":[[{}],[]],"y":{"z":[1,"]}"]},"model":"a"}', ["a"]),
        (b'{"model":"%b"}' % (b"a" * 256), ["a" * 256]),
        (b'{"model":"%b"}' % (b"a" * 257), []),
        (b'{"model":""}', []),
        (b"{}", []),
    ],
)
def test_the_model_is_found_at_the_top_level(body: bytes, names: list[str]) -> None:
    found = find_model_names(body)
    assert [each.name for each in found] == names
    assert [json.loads(body[each.begin : each.end]) for each in found] == names


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"model=a",
        b'[{"model":"a"}]',
        b'"model"',
        b'{"model":"a"',
        b'{"model":"a"} and more',
        b'{"x":1}{"model":"a"}',
        b'{"x":1,,"model":"a"}',
        b'{"x" "model":"a"}',
        b'{"x":[1,"model":"a"}',
        b'{"x":"unended,"model":"a"}',
        b'{"model":"\xff"}',
        '{"model":"a"}'.encode("utf-16"),
        b"\x28\xb5\x2f\xfd compressed",
    ],
)
def test_what_is_no_json_object_names_no_model(body: bytes) -> None:
    with pytest.raises(UnreadableBody, match="JSON"):
        find_model_names(body)


@pytest.mark.parametrize("body", [b'{"model":"a","p":"%b"}' % LARGE, b'{"p":["%b"],"model":"a"}' % LARGE])
def test_the_model_is_found_beside_a_large_prompt(body: bytes) -> None:
    assert [each.name for each in find_model_names(body)] == ["a"]


def test_a_body_of_very_many_parts_is_given_up() -> None:
    with pytest.raises(UnreadableBody, match="too many parts"):
        find_model_names(b'{"x":[' + b"{}," * 2_000_000 + b'1],"model":"a"}')


@pytest.mark.parametrize(
    "part",
    [
        b'"x",',
        b"[],",
        b'{"model":"x"},',
        b'"\\\\",',
        b'"\\u006d",',
        b"[[",
        b" 1 ,",
        b'"a":',
        b"   ",
        b'"mode\\u006',
        b'"',
        b"\\",
    ],
)
def test_a_search_pauses_every_few_milliseconds_whatever_the_body(part: bytes) -> None:
    size = 8 * model_name._SLICE
    body = b'{"x":[' + part * (size // len(part)) + b'1],"model":"a"}'
    scan = model_name._Scan(body)
    search, pauses = scan.names(), 0
    before = (0, scan._steps)
    while True:
        try:
            next(search)
        except (StopIteration, UnreadableBody):
            break
        pauses += 1
        assert scan._at - before[0] < 4 * model_name._SLICE
        assert before[1] - scan._steps <= model_name._STEPS_AT_ONCE + 8
        before = (scan._at, scan._steps)
    assert pauses or scan._at < model_name._SLICE, "it ended at once"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("model"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("model"), inner),
)


@given(st.dictionaries(st.text() | st.sampled_from(["model", "\\", '"model"']), JSON), st.booleans())
def test_the_scan_agrees_with_a_parser(document: dict[str, Any], escape: bool) -> None:
    body = json.dumps(document, ensure_ascii=escape).encode("utf-8", "surrogatepass")
    model = document.get("model")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return
    assert [each.name for each in find_model_names(body)] == ([model] if isinstance(model, str) and model else [])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"/v1beta/models/gemini-3:generateContent", "gemini-3"),
        (b"/v1/models/gemini-3:countTokens", "gemini-3"),
        (b"/v1beta/models/a%2Fb%20c:streamGenerateContent", "a/b c"),
        (b"/v1beta/models/a%3Ab%3AgenerateContent", "a:b"),
        (b"/v1beta/models/a:8b:generateContent", "a:8b"),
        (b"/v1beta/models/google/gemini-3:generateContent", "google/gemini-3"),
        (b"/v1/projects/p/locations/l/publishers/google/models/gemini-3:predict", "gemini-3"),
        (b"/v1beta/models/gemini-3", "gemini-3"),
        (b"/v1beta/models/%b:generateContent" % (b"a" * 257), None),
        (b"/v1beta/models", None),
        (b"/v1beta/models/", None),
        (b"/v1beta/models/%FF:generateContent", None),
        (b"/v1beta/cachedContents", None),
        (b"", None),
    ],
)
def test_gemini_names_its_model_in_the_path(path: bytes, name: str | None) -> None:
    found = GEMINI.model_in_path(path)
    assert (found and found.name) == name
    assert GEMINI.names_model_in_body(path) is False
