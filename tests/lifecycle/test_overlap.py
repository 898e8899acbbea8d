"""Lifespans of shared brokers that begin, end, overlap and are cancelled in any order."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import threading
from collections.abc import Coroutine
from typing import Any

import psutil
import pytest
from faststream import FastStream
from faststream.nats import NatsBroker
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    multiple,
    rule,
    run_state_machine_as_test,
)

from faststream_integrations.brokers.supervisor import Supervisor
from tests.lifecycle.kinds import KINDS
from tests.lifecycle.service import PATIENCE, running

ROUNDS = int(os.environ.get("LIFECYCLE_ROUNDS", "20"))
numbers = itertools.count()


class Block:
    """A lifespan around some brokers, in a task of its own."""

    def __init__(self, brokers: tuple[Any, ...], **limits: Any) -> None:
        self.brokers = brokers
        self.inside, self.leave = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._run(limits))

    async def _run(self, limits: dict[str, Any]) -> None:
        async with running(*self.brokers, **limits):
            self.inside.set()
            await self.leave.wait()
        self.inside.clear()

    async def entered(self) -> None:
        """Return once it is inside; raise what has kept it from that."""
        waiting = asyncio.create_task(self.inside.wait())
        await asyncio.wait({waiting, self.task}, timeout=PATIENCE, return_when="FIRST_COMPLETED")
        waiting.cancel()
        if not self.inside.is_set():
            assert self.task.done(), "it neither begins nor fails"
            await self.task
            raise AssertionError("it ended at once")


class Overlaps(RuleBasedStateMachine):
    """Whoever is inside its block finds brokers that consume."""

    blocks = Bundle("blocks")

    def __init__(self, url: str) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.all: list[Block] = []
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.brokers = [self._make(url) for _ in range(2)]

    def _make(self, url: str) -> Any:
        broker: Any = NatsBroker(url, logger=None)
        broker.address = f"overlap-{os.getpid()}-{next(numbers)}"
        broker.subscriber(broker.address)(self.heard.put)

        @broker.subscriber(f"{broker.address}.slow", max_workers=100)
        async def slow(message: str) -> None:
            await self.gate.wait()

        return broker

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @rule(target=blocks, which=st.sampled_from([(0,), (1,), (0, 1), (1, 0)]), retry=st.booleans())
    def begin(self, which: tuple[int, ...], retry: bool) -> Any:
        async def begin() -> Block:
            limits = {"on_unavailable": "retry"} if retry else {}
            return Block(
                tuple(self.brokers[each] for each in which), shutdown_timeout=1.0, **limits
            )

        block = self._do(begin())
        self.all.append(block)
        return block

    @rule(milliseconds=st.sampled_from([0, 0, 1, 5, 30]))
    def time_passes(self, milliseconds: int) -> None:
        self._do(asyncio.sleep(milliseconds / 1000))

    @rule(block=blocks)
    def is_inside_and_its_brokers_consume(self, block: Block) -> None:
        async def check() -> None:
            await block.entered()
            for broker in block.brokers:
                # One that is retried in the background has its time.
                await asyncio.wait_for(Supervisor.of(broker).started.wait(), PATIENCE)
                await broker.publish(text := str(next(numbers)), broker.address)
                while await asyncio.wait_for(self.heard.get(), PATIENCE) != text:
                    pass

        if not block.leave.is_set():
            self._do(check())

    @rule(block=blocks)
    def gets_a_message_that_takes_long(self, block: Block) -> None:
        async def send() -> None:
            broker = block.brokers[0]
            self.gate.clear()
            await broker.publish("", f"{broker.address}.slow")

        if block.inside.is_set() and Supervisor.of(block.brokers[0]).started.is_set():
            self._do(send())

    @rule()
    def what_takes_long_ends(self) -> None:
        self.gate.set()

    @rule(block=consumes(blocks))
    def ends(self, block: Block) -> None:
        block.leave.set()

    @rule(block=consumes(blocks))
    def is_cancelled(self, block: Block) -> None:
        block.leave.set()
        block.task.cancel()

    @rule(target=blocks, block=consumes(blocks))
    def ends_and_another_begins_at_once(self, block: Block) -> Any:
        self.ends(block)
        again = self.begin((0, 1), False)
        return multiple(again)

    def teardown(self) -> None:
        async def end() -> None:
            self.gate.set()
            for block in self.all:
                block.leave.set()
            results = await asyncio.gather(
                *(block.task for block in self.all), return_exceptions=True
            )
            await asyncio.sleep(0.05)
            assert not [each for each in results if isinstance(each, Exception)], results
            for broker in self.brokers:
                assert not broker.running
                assert not await broker.ping(0.05)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert left == set()

        try:
            self._do(end())
        finally:
            self.loop.close()


def test_whoever_is_inside_its_block_finds_brokers_that_consume(nats_url):
    """As many examples as LIFECYCLE_ROUNDS."""
    run_state_machine_as_test(
        lambda: Overlaps(nats_url),
        settings=settings(
            max_examples=ROUNDS,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


async def test_start_during_a_drain_waits_for_its_end_and_consumes(nats_url, received):
    entered, release = asyncio.Event(), asyncio.Event()
    broker = NatsBroker(nats_url)
    broker.subscriber("overlap.drain")(received.put)

    @broker.subscriber("overlap.drain.slow")
    async def slow(message: str) -> None:
        entered.set()
        await release.wait()

    first = Block((broker,))
    await first.entered()
    await broker.publish("", "overlap.drain.slow")
    await entered.wait()
    first.leave.set()
    await asyncio.sleep(0.05)
    assert Supervisor.of(broker).announced
    second = Block((broker,))
    await asyncio.sleep(0.05)
    assert not second.inside.is_set()
    release.set()
    await second.entered()
    await broker.publish("it", "overlap.drain")
    assert await asyncio.wait_for(received.get(), PATIENCE) == "it"
    second.leave.set()
    await asyncio.gather(first.task, second.task)


async def test_hooks_of_a_shared_application_run_once_for_the_first_and_the_last(nats_url):
    calls: list[str] = []

    def note(name: str) -> Any:
        async def hook() -> None:
            calls.append(name)

        return hook

    app = FastStream(
        NatsBroker(nats_url),
        on_startup=[note("on_startup")],
        after_startup=[note("after_startup")],
        on_shutdown=[note("on_shutdown")],
        after_shutdown=[note("after_shutdown")],
    )
    first, second = Block((app,)), Block((app,))
    await first.entered()
    await second.entered()
    assert calls == ["on_startup", "after_startup"]
    first.leave.set()
    await first.task
    assert calls == ["on_startup", "after_startup"], "the other still runs"
    second.leave.set()
    await second.task
    assert calls == ["on_startup", "after_startup", "on_shutdown", "after_shutdown"]


async def test_start_that_fails_is_tried_again_by_who_waited_for_it(nats_url, received):
    class Once(NatsBroker):
        failed = False

        async def start(self) -> None:
            if not self.failed:
                self.failed = True
                await asyncio.sleep(0.05)
                raise ConnectionRefusedError
            await super().start()

    broker = Once(nats_url)
    broker.subscriber("overlap.again")(received.put)
    first, second = Block((broker,)), Block((broker,))
    with pytest.raises(ConnectionError):
        await first.task
    await second.entered()
    second.leave.set()
    await second.task


@pytest.mark.parametrize("kind", [KINDS[name] for name in ("nats-pull", "redis-channel", "mqtt")])
async def test_many_overlaps_leave_no_trace(kind, server, received):
    """A hundred with LIFECYCLE_ROUNDS=1000."""
    process = psutil.Process()
    broker = kind.make(server.port, received.put)

    def traces() -> tuple[int, int, int]:
        gc.collect()
        return len(asyncio.all_tasks()), threading.active_count(), process.num_fds()

    async def overlap(rounds: int) -> None:
        for _ in range(rounds):
            blocks = [Block((broker,)) for _ in range(3)]
            for block in blocks:
                await block.entered()
            for block in blocks:
                block.leave.set()
            blocks.append(Block((broker,)))
            await blocks[-1].entered()
            await kind.send(broker, "it")
            assert await asyncio.wait_for(received.get(), PATIENCE) == "it"
            blocks[-1].leave.set()
            await asyncio.gather(*(block.task for block in blocks))
        await asyncio.sleep(0.1)

    await overlap(3)
    before, memory = traces(), process.memory_info().rss
    await overlap(max(ROUNDS // 10, 3))
    after, grown = traces(), process.memory_info().rss - memory
    print(f"{kind.name}: {before} -> {after}, {grown / 1024:.0f} KiB")
    assert after == before
    assert grown < 8 * 1024 * 1024
