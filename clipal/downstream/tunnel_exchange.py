"""The exchange of a request that opens a WebSocket: failover at the handshake, then a tunnel.

A provider is sent the client's own handshake, like any other request. If no provider accepts it, the client gets a 426,
which tells it to send a POST instead.
"""

from __future__ import annotations

from clipal.downstream.admission import WEBSOCKET_REFUSED
from clipal.downstream.exchange import Exchange
from clipal.downstream.relay import with_fields
from clipal.downstream.request_line import Delivery
from clipal.downstream.tunnel import Tunnel
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.trail import Ending
from clipal.upstream.body import BytesBody
from clipal.wire.websocket import switching_head


class TunnelExchange(Exchange):
    """Opens a tunnel to the provider that answers 101, or refuses the handshake."""

    opens_websocket = True

    async def _answer(self) -> None:
        result = await self._ask(BytesBody())
        if isinstance(result, HeldAnswer) and result.head.status == 101:
            self._join(result)
            return
        if isinstance(result, HeldAnswer):
            result.abort()
        self._decline()

    def _join(self, answer: HeldAnswer) -> None:
        def ended(ending: Ending) -> None:
            answer.ended(ending)
            received = self._request.received + tunnel.up
            self._report(Delivery(101, answer.provider, received, tunnel.down, opened), ending)

        tunnel, opened = Tunnel(self._request, ended), self._clock.seconds()
        try:
            head = with_fields(switching_head(answer.head), self.own_fields(answer.provider))
            self._request.started = True
            self._request.transport.write(head)
            answer.hand_on(tunnel)
        except Exception:
            answer.abort()
            raise

    def _decline(self) -> None:
        request = self._request
        request.on_disconnect = None
        request.channel.close_behind()
        request.answer(WEBSOCKET_REFUSED.status, WEBSOCKET_REFUSED.message)
        self._report(Delivery(WEBSOCKET_REFUSED.status.value), Ending.WHOLE)

    def _fail(self) -> None:
        self._request.channel.close_behind()
        self._request.fail()

    def transferred(self, delivery: Delivery) -> str:
        return f"{delivery.received} bytes up, {delivery.sent} bytes down"

    def broken_off(self, delivery: Delivery, ending: Ending) -> str:
        return f", {ending.value}"

    def warns(self, delivery: Delivery, ending: Ending) -> bool:
        return ending is Ending.CUT
