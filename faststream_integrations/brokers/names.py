"""Names in reports: each identifies, and is the same in every process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from faststream_integrations._faststream import (
    channels_of,
    declared_subscribers,
    is_stand_in,
    subscriber_name,
)
from faststream_integrations.environment import AnyBroker

__all__ = (
    "channel_names",
    "distinct",
    "documented_subscribers",
    "named_subscribers",
    "subscriber_names",
)


def distinct(names: Iterable[str], mark: str = " #") -> list[str]:
    """Return names of which each identifies: the second of the same name gets `` #2``, and so on.

    The first keeps its name, so that nothing changes for it when another comes.

    Args:
        names: The names.
        mark: What stands between a name and its number.
    """
    found: dict[str, None] = {}
    counts: dict[str, int] = {}
    for name in names:
        own = name
        while own in found:
            counts[name] = counts.get(name, 1) + 1
            own = f"{name}{mark}{counts[name]}"
        found[own] = None
    return list(found)


def subscriber_names(subscribers: Iterable[Any]) -> list[str]:
    """Return a name that identifies for each of a broker's subscribers, in their order."""
    return distinct(map(subscriber_name, subscribers))


def named_subscribers(broker: AnyBroker) -> list[tuple[str, Any]]:
    """Return the subscribers of a broker with their names, in the order of their declaration."""
    subscribers = declared_subscribers(broker)
    return list(zip(subscriber_names(subscribers), subscribers, strict=True))


def documented_subscribers(broker: AnyBroker) -> list[Any]:
    """Return the subscribers of a broker that the AsyncAPI document shows, in order."""
    return [
        subscriber
        for subscriber in declared_subscribers(broker)
        if subscriber.specification.include_in_schema and not is_stand_in(subscriber)
    ]


def channel_names(brokers: Iterable[AnyBroker]) -> dict[Any, dict[str, str]]:
    """Return the names of each subscriber's channels: FastStream's, and one that no other has.

    FastStream calls a channel by its address and its handler, so that of two handlers of one name
    at one address, in two modules or on two brokers, the last overwrites the other in its document.

    Args:
        brokers: All brokers of the document.

    Returns:
        For each subscriber, the own name of each channel by FastStream's name.
    """
    found = [
        (subscriber, name)
        for broker in brokers
        for subscriber in documented_subscribers(broker)
        for name in channels_of(subscriber)
    ]
    names: dict[Any, dict[str, str]] = {}
    # The document writes a dot for a slash in a channel's id.
    ids = distinct((name.replace("/", ".") for _, name in found), mark="-")
    for (subscriber, name), own_id in zip(found, ids, strict=True):
        names.setdefault(subscriber, {})[name] = name + own_id[len(name) :]
    return names
