"""The recipes: one container of dependencies for all, and tasks by the clock."""

import asyncio
import importlib
from datetime import datetime, timezone

import pytest

from faststream_integrations.testing import asgi_client
from tests.docs.examples import example

CONTAINERS = {
    "dishka": ("dishka", "dishka_faststream"),
    "modern_di": ("modern_di_faststream", "modern_di_fastapi", "modern_di_litestar"),
    "injector": ("dependency_injector",),
}


@pytest.mark.parametrize("host", ["asgi", "fastapi", "litestar"])
@pytest.mark.parametrize("container", CONTAINERS)
async def test_one_container_for_subscribers_handlers_and_endpoints(container, host):
    for package in CONTAINERS[container]:
        pytest.importorskip(package, reason="modern-di wants Python 3.11")
    with example(f"recipes/{container}_in_{host}.py") as main:
        shop = importlib.import_module(f"shop_{container}")
        broker = getattr(main, "broker", shop.broker)
        for _ in range(2):
            async with asgi_client(main.app, broker) as client:
                reply = await broker.request("tea", "orders")
                assert await reply.decode() == 2.8
                assert (await client.get("/price?drink=tea")).json() == 2.8
                if host != "asgi":
                    assert (await client.get("/prices/tea")).json() == 2.8


async def test_task_by_the_clock():
    with example("recipes/scheduled.py") as main:
        done = asyncio.Event()

        class Reports(list):
            def append(self, report):
                super().append(report)
                done.set()

        main.reports = Reports()
        main.nightly.labels["schedule"].append({"time": datetime.now(timezone.utc)})
        async with asgi_client(main.app, main.broker):
            await asyncio.wait_for(done.wait(), 30)
        assert main.reports == [f"Report of {main.yesterday()}"]
        assert not main.running
