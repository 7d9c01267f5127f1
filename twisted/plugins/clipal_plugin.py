"""Tells twistd of clipal. This file is data: twistd imports it on every run, so it must import nothing heavy."""

from twisted.application.service import ServiceMaker

clipal = ServiceMaker(
    "clipal",
    "clipal.tap",
    "A reverse proxy for LLM command-line agents that fails over between API providers.",
    "clipal",
)
