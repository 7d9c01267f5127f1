"""Names from later versions of the original system, so that its users' files are not silently ignored.

The Go program had the three client files as clipal has them, and renamed two of them in its version 0.9. Its settings
for forward proxies are read by `clipal.config.proxy_settings`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_RENAMED: Final = {"claude-code.yaml": "claude.yaml", "codex.yaml": "openai.yaml"}
"""The original's later name of a client's file, by clipal's name."""

_FOREIGN: Final = "not read here: a key of later versions of the Go program; "
_SIGN_IN: Final = _FOREIGN + "remove it, and put a key into api_key: clipal does not sign in"
_BODY: Final = _FOREIGN + "remove it, and set this in the client: clipal changes nothing of a request but the model"

SETTINGS: Final = {
    "routing": _FOREIGN + "affinity and failback replace sticky_sessions; busy_backpressure has no replacement,"
    " because a provider that limits its requests is passed over for as long as it asks",
}
"""What replaces a key of `config.yaml`."""

PROVIDER: Final = {
    "overrides": _FOREIGN + 'write models: {"*": NAME} in place of overrides.model; nothing else of a body is changed',
    "model": _FOREIGN + 'write models: {"*": NAME}',
    "reasoning_effort": _BODY,
    "thinking_budget_tokens": _BODY,
    "auth_type": _SIGN_IN,
    "oauth_provider": _SIGN_IN,
    "oauth_ref": _SIGN_IN,
    "oauth_identity": _SIGN_IN,
    "oauth_account": _SIGN_IN,
}
"""What replaces a key of a provider."""


def unread_files(path: Path) -> list[Path]:
    """What is there beside `path`, a file that clipal reads, under another name that its user may think of."""
    names = (_RENAMED.get(path.name), path.with_suffix(".yml").name)
    return [path.with_name(name) for name in names if name is not None and os.path.lexists(path.with_name(name))]
