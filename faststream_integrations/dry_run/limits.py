"""How large a dry run may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from faststream_integrations.dry_run.report import Allowance

__all__ = ("DryRunLimits", "TooLargeError")

# Strings, so that what is inside of them does not count; what stands before a value; digits. The
# end of the text ends a string too: one that failed to match would be tried at each quote in it.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[{,]|[0-9]+', re.DOTALL)
_BEFORE_VALUES = b"[{,"
_DIGITS = b"0123456789"
_ONE_DIGIT = bytes.maketrans(_DIGITS, b"0" * 10)
_LONG_NUMBER = b"0" * 1000  # Python takes quadratic time to read and write one
# Two strings, a key and the value, or three runs of digits (1.5e10), and one of `_BEFORE_VALUES`.
_TOKENS_OF_A_VALUE = 5


class TooLargeError(ValueError):
    """What was asked for is larger than a limit."""


@dataclass(frozen=True, kw_only=True)
class DryRunLimits:
    """Bounds of a dry run, so that it cannot keep the event loop from the application's messages.

    What a message may be is checked before any work is done for it. What a handler returns and
    publishes is cut in the report, and a note there says so.

    Attributes:
        values: The most strings, numbers, lists and objects of a request's JSON.
        batch: The most items of a payload that each are a message, for a subscriber of batches.
        address: The most characters of a channel or address.
        headers: The most headers.
        header_characters: The most characters of names and values of headers together.
        published: The most messages that the report lists; all of them are counted.
        report_values: The most strings, numbers, lists and objects in the report.
        report_characters: The most characters of text in the report.

    Raises:
        ValueError: A limit is negative.
    """

    values: int = 5_000
    batch: int = 500
    address: int = 512
    headers: int = 100
    header_characters: int = 16 * 1024
    published: int = 1000
    report_values: int = 5_000
    report_characters: int = 1024 * 1024

    def __post_init__(self) -> None:
        for limit in fields(self):
            if getattr(self, limit.name) < 0:
                msg = f"The limit {limit.name} of a dry run is {getattr(self, limit.name)}."
                raise ValueError(msg)

    def allowance(self) -> Allowance:
        """Return what a report may hold."""
        return Allowance(self.report_values, self.report_characters)

    def check_json(self, text: bytes) -> None:
        """Refuse JSON of too many values before it is read.

        Raises:
            TooLargeError: It has too many.
        """
        number_is_long = _LONG_NUMBER in text.translate(_ONE_DIGIT)
        if not number_is_long and sum(map(text.count, (b"[", b"{", b","))) < self.values:
            return
        values = 1
        for seen, token in enumerate(_TOKEN.finditer(text)):
            start = text[token.start()]
            values += start in _BEFORE_VALUES
            if values > self.values or seen > _TOKENS_OF_A_VALUE * self.values:
                msg = f"The request has more values than the {self.values:,} of the limit 'values'."
                raise TooLargeError(msg)
            if start in _DIGITS and token.end() - token.start() >= len(_LONG_NUMBER):
                msg = f"The request has a number of {len(_LONG_NUMBER):,} digits or more."
                raise TooLargeError(msg)

    def check(self, channel: str, address: str | None, headers: Mapping[str, str]) -> None:
        """Refuse a message whose address or headers are too large.

        Raises:
            TooLargeError: They are.
        """
        self._check("The channel", len(channel), "address", "characters")
        self._check("The address", len(address or ""), "address", "characters")
        self._check("The message", len(headers), "headers", "headers")
        size = sum(len(name) + len(value) for name, value in headers.items())
        self._check("The message's headers", size, "header_characters", "characters")

    def check_batch(self, size: int) -> None:
        """Refuse a batch of too many messages.

        Raises:
            TooLargeError: It is.
        """
        self._check("The batch", size, "batch", "messages")

    def _check(self, subject: str, size: int, limit: str, unit: str) -> None:
        if size > getattr(self, limit):
            msg = (
                f"{subject} has {size:,} {unit}, more than the {getattr(self, limit):,} of the "
                f"limit {limit!r}."
            )
            raise TooLargeError(msg)
