"""Which carrier a key travels in, and the key ready to be written into it.

A client's own credentials stay here. The provider's key travels where the key's own kind demands, else where the
provider's `auth` says, else where the client's key travelled.
"""

from __future__ import annotations

from urllib.parse import quote_from_bytes, unquote_to_bytes

from attrs import frozen

from clipal.config.model import Carrier
from clipal.config.secret import Secret
from clipal.wire.fields import Credential
from clipal.wire.message import RequestHead

_FIELDS = {
    Carrier.X_API_KEY: (b"x-api-key", b"x-api-key", b""),
    Carrier.BEARER: (b"authorization", b"Authorization", b"Bearer "),
    Carrier.API_KEY: (b"api-key", b"api-key", b""),  # Azure's
    Carrier.X_GOOG_API_KEY: (b"x-goog-api-key", b"x-goog-api-key", b""),
}
_KINDS = (
    (b"sk-ant-oat", Carrier.BEARER),  # Anthropic takes an OAuth token as Bearer only
    (b"sk-ant-api", Carrier.X_API_KEY),
    (b"AIza", Carrier.X_GOOG_API_KEY),
)
_NO_CREDENTIAL = Credential()


def client_carrier(head: RequestHead, query: bytes | None, own: Carrier) -> Carrier:
    """Where the client's key travels: in the dialect's `own` carrier if it does, else in the first that it uses.

    A client that shows no key gets `own`.
    """
    table, first = head.table, None
    for carrier, (key, _, _) in _FIELDS.items():
        if key in table:
            if carrier is own:
                return own
            first = first or carrier
    if first is not None:
        return first
    if own is Carrier.X_GOOG_API_KEY and query and with_query_key(query, None) != query:
        return Carrier.QUERY
    return own


@frozen
class KeyCarriers:
    """One key of a provider, with its credential in each carrier made once."""

    credentials: tuple[tuple[Carrier, Credential], ...]
    fixed: Carrier | None
    query_key: bytes

    @classmethod
    def prepare(cls, key: Secret, auth: Carrier) -> KeyCarriers:
        """For `key` of a provider with this `auth`; an empty key stands for `auth: none`."""
        raw = key.reveal()
        credentials = tuple(
            (carrier, Credential(field, name, scheme + raw)) for carrier, (field, name, scheme) in _FIELDS.items()
        )
        kind = next((carrier for prefix, carrier in _KINDS if raw.startswith(prefix)), None)
        fixed = auth if auth is Carrier.NONE else kind or (None if auth is Carrier.AUTO else auth)
        return cls(credentials, fixed, quote_from_bytes(raw, safe="").encode("ascii"))

    def carrier(self, client: Carrier) -> Carrier:
        """Where this key goes up for a client whose own key travels in `client`."""
        return self.fixed or client

    def credential(self, carrier: Carrier) -> Credential:
        """The field to write; none for a key that travels in the query."""
        for each, credential in self.credentials:  # a look-up in a table takes longer, because of an enum's hash
            if each is carrier:
                return credential
        return _NO_CREDENTIAL

    def query(self, carrier: Carrier, query: bytes | None) -> bytes | None:
        """`query` without the client's `key`, or with the provider's in its place."""
        if query is None and carrier is not Carrier.QUERY:
            return None
        return with_query_key(query or b"", self.query_key if carrier is Carrier.QUERY else None)

    def __repr__(self) -> str:
        return "<KeyCarriers>"


def with_query_key(query: bytes, key: bytes | None) -> bytes | None:
    """`query` with its `key=` replaced in place, or taken out where `key` is None; all other bytes stay as they are.

    Returns:
        None if the query held only the key, and that is taken out.
    """
    pairs = query.split(b"&")
    kept: list[bytes] = []
    for pair in pairs:
        name = pair.partition(b"=")[0]
        if name != b"key" and (b"%" not in name or unquote_to_bytes(name) != b"key"):
            kept.append(pair)
        elif key is not None:
            kept.append(b"key=" + key)
            key = None
    if key is not None:
        kept = [pair for pair in kept if pair] + [b"key=" + key]
    return b"&".join(kept) if kept else None
