"""What the tests of `/status` and `/metrics` ask a running clipal, and the samples that it answers with."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.proxy import Proxy
from tests.wirekit.client import RawClient, RawResponse, request
from tests.wirekit.message import Fields

PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")
"""Prometheus' own tool, where it is installed."""
LOCAL = ((b"Host", b"127.0.0.1"),)


async def get(port: int, path: bytes, fields: Fields = LOCAL, method: bytes = b"GET") -> RawResponse:
    """The answer to one request on a connection of its own."""
    client = await RawClient.connect(port)
    client.send(request(method, path, fields))
    answer = await client.read_response(bodyless=method == b"HEAD")
    client.abort()
    await client.closed()
    return answer


async def status(proxy: Proxy) -> dict[str, Any]:
    """What `/status` says."""
    answer = await get(proxy.port, b"/status")
    assert answer.status == 200, answer
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def client_status(proxy: Proxy, prefix: str = "claudecode") -> dict[str, Any]:
    """What it says of one client."""
    found: dict[str, Any] = (await status(proxy))["clients"][prefix]
    return found


class Samples:
    """The samples of one scrape."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        families = text_string_to_metric_families(text.decode())
        self._samples = [sample for family in families for sample in family.samples]

    @property
    def names(self) -> set[str]:
        """Of all samples."""
        return {sample.name for sample in self._samples}

    def __call__(self, name: str, **labels: str) -> float:
        """The one with these labels, among others; 0 where there is none."""
        found = [each.value for each in self._samples if each.name == name and labels.items() <= each.labels.items()]
        assert len(found) < 2, f"{name} {labels}: {len(found)} samples"
        return found[0] if found else 0.0


async def metrics(proxy: Proxy) -> Samples:
    """What `/metrics` says."""
    answer = await get(proxy.port, b"/metrics")
    assert answer.status == 200, answer
    return Samples(answer.body)
