"""One question through one of the Python SDKs: `python -m acceptance.sdk NAME streaming|whole BASE PROMPT`.

It prints the answer and ends with 0. What the SDK raises goes to standard error, with the status 3. `BASE` is clipal's
URL with the client's prefix; otherwise each SDK is used as its maker shows it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Final

KEY: Final = "any-value"
RAISED: Final = 3


def _anthropic(base: str, prompt: str, streaming: bool) -> Iterator[str]:
    import anthropic

    client = anthropic.Anthropic(base_url=base, api_key=KEY)
    message = {"role": "user", "content": prompt}
    if not streaming:
        yield client.messages.create(model="claude-sonnet-4-5", max_tokens=99, messages=[message]).content[0].text
        return
    with client.messages.stream(model="claude-sonnet-4-5", max_tokens=99, messages=[message]) as stream:
        yield from stream.text_stream


def _openai(base: str, prompt: str, streaming: bool) -> Iterator[str]:
    import openai

    client = openai.OpenAI(base_url=f"{base}/v1", api_key=KEY)
    if not streaming:
        yield client.responses.create(model="gpt-5", input=prompt).output_text
        return
    for event in client.responses.create(model="gpt-5", input=prompt, stream=True):
        if event.type == "response.output_text.delta":
            yield event.delta


def _google(base: str, prompt: str, streaming: bool) -> Iterator[str]:
    from google import genai
    from google.genai import types

    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=base))
    if not streaming:
        yield client.models.generate_content(model="gemini-3.1-pro", contents=prompt).text
        return
    for chunk in client.models.generate_content_stream(model="gemini-3.1-pro", contents=prompt):
        yield chunk.text


_SDKS: Final[dict[str, Callable[[str, str, bool], Iterator[str]]]] = {
    "anthropic": _anthropic,
    "openai": _openai,
    "google-genai": _google,
}


def main() -> int:
    """Asks the question: the exit status."""
    name, mode, base, prompt = sys.argv[1:]
    try:
        for piece in _SDKS[name](base, prompt, mode == "streaming"):
            print(piece, end="", flush=True)
    except Exception as error:  # the run looks at the exception, whatever its type
        print(f"raised {type(error).__module__}.{type(error).__name__}: {error}", file=sys.stderr)
        return RAISED
    return 0


if __name__ == "__main__":
    sys.exit(main())
