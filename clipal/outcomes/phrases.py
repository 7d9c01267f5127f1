"""What the messages of vendors' errors mean, where no word of `clipal.outcomes.facts` says something else.

A phrase counts only at the beginning of a message, because messages quote prompts and link to billing pages.
"""

from __future__ import annotations

import re
from typing import Final

from clipal.outcomes.facts import Fact

_NAME: Final = r"[`'\"]?[^\s`'\"]{1,128}[`'\"]?"
PHRASES: Final = {  # regular expressions, for the beginning of a message in lower case
    Fact.KEY: (
        "invalid api key",
        "incorrect api key provided",
        "api key (?:not valid|expired|not found)",
        "this organization has been disabled",
        "this credential is only authorized for use with",
    ),
    Fact.QUOTA: (
        "insufficient (?:quota|balance|credits)",
        "quota exhausted",
        "daily limit",
        "your credit balance is too low",
        "you have reached your specified api usage limits",
        "you're out of extra usage",
        r"your team \S{1,80} has (?:either )?used all available credits",
        r"budget has been exceeded!",
        r"account \S{1,80} is suspended",
        "sorry, your account balance is insufficient",
        "out of call volume quota",
        "you have exceeded your monthly included credits",
        "you have used up your daily free allocation",
    ),
    Fact.MODEL: (
        "model (?:does )?not (?:exist|found)",
        rf"invalid model(?:(?: id| name| identifier)?:?) {_NAME}",
        rf"(?:the )?(?:requested )?model {_NAME} (?:does not exist|(?:was |is )?not found|is not supported)",
        "the requested model is not supported",
        rf"the {_NAME} model is not supported",
        "the provided model identifier is invalid",
        r"no endpoints found (?:for|that|matching) \S+",
        "no allowed providers are available",
        r"\S{1,128} is not a valid model id",
        r"(?:\{'error': ')?\S{0,80} ?invalid model name passed in",
        r"not found the model \S+",
        r"no such model \S+",
        r"no access to model: \S+",
        "you don't have access to the model",
        r"invocation of model id \S{1,128} with on-demand throughput",
        "could not resolve the foundation model",
        r"project \S{1,128} (?:does not have access to model|is not allowed to use publisher model) \S+",
        r"this token has no access to model \S+",
        r"该令牌无权访问模型 ?\S+",
        "the requested model is deprecated",
        "user location is not supported",
    ),
    Fact.REQUEST: ("content violates usage guidelines",),
}
ABSENT: Final = re.compile(r"model: ?\S|models/\S|publisher model \S|invalid url \(|resource not found")
"""For the beginning of a 404's message in lower case, where `type` and `status` say no more than "not found"."""

_PATTERNS: Final = {fact: re.compile(f"(?:{'|'.join(parts)})(?!\\w)") for fact, parts in PHRASES.items()}


def begins_with(message: str, fact: Fact) -> bool:
    """Whether a message, in lower case, begins with one of the phrases for `fact`."""
    return _PATTERNS[fact].match(message.replace("\u2019", "'")) is not None
