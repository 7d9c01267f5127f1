"""Takes the configured secrets out of a text, by value, however the text came to contain them.

A provider may echo its key into an error body, an exception may quote a URL, a repr may show a field. So each character
of a secret is looked for as it is, percent-encoded (RFC 3986, 2.1), escaped as in JSON (RFC 8259, 7) and escaped as in
Python's `repr`. Any mixture is found, because encoders differ in which characters they escape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

REDACTED = "[redacted]"
"""Replaces a secret."""

SHORT = 6
"""Shorter secrets are replaced as whole words only, because longer words are likely to contain them."""


class Redactor:
    """Replaces every known secret in a text.

    Parameters:
        secrets: keys and tokens; blank ones are ignored.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.set_secrets(secrets)

    def set_secrets(self, secrets: Iterable[str]) -> None:
        """Replace the known secrets.

        The old secrets are redacted until the next change too, because requests in flight keep their keys.
        """
        wanted = frozenset(secret for secret in secrets if secret.strip())
        if wanted != self._secrets:
            self._pattern = _pattern(wanted | self._secrets)
            self._secrets = wanted

    def redact(self, text: str) -> str:
        """`text` with `REDACTED` in the place of each secret."""
        return text if self._pattern is None else self._pattern.sub(REDACTED, text)


def _pattern(secrets: frozenset[str]) -> re.Pattern[str]:
    """One alternation, the longest secret first, so that a secret that begins with another is replaced whole."""
    ordered = sorted(secrets, key=lambda secret: (-len(secret), secret))
    return re.compile("|".join(_secret(secret) for secret in ordered))


def _secret(secret: str) -> str:
    """One secret as a regular expression.

    Its backslashes are either all doubled or all single, because a choice for each would make matching exponential.
    """
    spelled = "".join(map(_character, secret))
    if "\\" in secret:
        doubled = "".join(map(_character, secret.replace("\\", "\\\\")))
        spelled = f"(?:{doubled}|{spelled})"
    return spelled if len(secret) >= SHORT else rf"(?<!\w){spelled}(?!\w)"


def _character(character: str) -> str:
    """All spellings of one character of a secret, as a regular expression.

    No encoder escapes letters and digits. The hexadecimal digits of an escape come in either case.
    """
    if character.isascii() and character.isalnum():
        return character
    octets = character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass")
    percent = "".join(f"%{octet:02x}" for octet in octets)
    hexadecimal = "".join(rf"\\x{octet:02x}" for octet in octets)
    unicode = "".join(rf"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    # The backslash before the character itself is that of `\"`, `\'` and JSON's `\/`.
    plain = re.escape(character) if character == "\\" else rf"\\?{re.escape(character)}"
    # Escapes first: those of `%` and of the backslash begin with the character itself.
    return rf"(?:(?i:{percent}|{hexadecimal}|{unicode})|{plain})"
