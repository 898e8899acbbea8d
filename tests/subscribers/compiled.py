"""Is a subscriber compiled?"""

from __future__ import annotations

from typing import Any

from faststream_integrations.subscribers.config import CompiledSubscriber


def is_compiled(subscriber: Any) -> bool:
    """Tell whether each function of a subscriber that was built is compiled."""
    runs = [call.handler._wrapped_call for call in subscriber.calls]
    return all(isinstance(getattr(run, "__self__", None), CompiledSubscriber) for run in runs)
