"""Names of ``faststream.asgi`` that have another one here."""

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ("telling",)


def telling(module: str, elsewhere: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a module that says what to write for a name that it has not.

    Args:
        module: Its name.
        elsewhere: What to write, by the name in ``faststream.asgi``.
    """

    def find(name: str) -> Any:
        if name in elsewhere:
            msg = f"{module} has no {name!r}; write {elsewhere[name]}."
            raise ImportError(msg)
        msg = f"module {module!r} has no attribute {name!r}"
        raise AttributeError(msg)

    return find
