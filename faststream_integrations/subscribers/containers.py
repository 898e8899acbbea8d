"""Parameters that a container of dependencies would fill, and does not.

Without the container's own decorator they would be parts of the message.
"""

from __future__ import annotations

from faststream.exceptions import SetupError

from faststream_integrations.subscribers.foreign import parts_of
from faststream_integrations.subscribers.signature import BodyValue, Reading

__all__ = ("refuse_unfilled",)

ADVICE = {
    "dishka": "Write `@inject` of dishka_faststream below the subscriber.",
    "dependency_injector": "Write `Depends(Provide[...], cast=False)`, with `from faststream "
    "import Depends`, and `@inject` below the subscriber.",
}
"""What to write, by the package that a marker is of."""


def refuse_unfilled(reading: Reading) -> None:
    """Refuse a subscriber that would take from the message what a container was to give.

    Raises:
        SetupError: A container's marker is in an annotation, or in place of a default.
    """
    for call in reading.calls:
        for argument in call.arguments:
            if not isinstance(argument, BodyValue):
                continue
            markers, _ = parts_of(argument.annotation, argument.default)
            for marker in markers:
                package = type(marker).__module__.partition(".")[0]
                if package in ADVICE:
                    msg = (
                        f"The parameter {argument.name!r} of {call.name} is marked for {package}, "
                        "which does not fill it: its value would come from the message. "
                        f"{ADVICE[package]}"
                    )
                    raise SetupError(msg)
