"""Subscribers, in every host."""

from typing import Annotated

import fastapi
import pytest
from faststream import Depends
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker


def current_user() -> str:
    raise AssertionError("nobody asks for it")


def guard(user: Annotated[str, fastapi.Query()]) -> None:
    raise AssertionError("nobody asks for it")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_marker_that_the_message_would_fill_fails_the_start(host, broker, when):
    def subscribe() -> None:
        @broker.subscriber("orders")
        async def handle(order: int, user: Annotated[str, fastapi.Query()]) -> None: ...

    if when == "before":
        subscribe()
        with pytest.raises(SetupError, match=r"'user' of .*handle is Query\(\)"):
            host.build(broker)
    else:
        client = host.client(broker)
        subscribe()
        with pytest.raises(SetupError, match=r"'user' of .*handle is Query\(\)"):
            async with client:
                raise AssertionError("it started")


async def test_marker_in_a_dependency_fails_the_start_while_the_server_is_away(host):
    broker = NatsBroker("nats://127.0.0.1:1", dependencies=[Depends(guard)])
    client = host.client(broker, in_memory=False, startup_timeout=30.0)

    @broker.subscriber("orders")
    async def handle(order: int) -> None: ...

    with pytest.raises(SetupError, match=r"The subscriber .*handle: .*'user' of .*guard"):
        async with client:
            raise AssertionError("it started")


async def test_subscriber_that_comes_at_run_time_is_refused(host, broker):
    async with host.client(broker):

        @broker.subscriber("late")
        async def handle(order: int, user: Annotated[str, fastapi.Query()]) -> None: ...

        with pytest.raises(SetupError, match="give a default"):
            await broker.start()
