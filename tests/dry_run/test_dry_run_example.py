from faststream.nats import TestNatsBroker

from examples.dry_run import Order, broker, charged
from faststream_integrations.dry_run.run import DryRun


async def test_example_charges_for_a_message_and_not_for_a_dry_run() -> None:
    report = await DryRun([broker]).run("orders:Accept", {"id": 7, "amount": 30})

    assert report.result == "order 7 is accepted"
    assert [(m.channel, m.payload) for m in report.published] == [
        ("audit", {"id": 7, "amount": 30}),
        ("receipts", "order 7 is accepted"),
    ]
    assert charged == []

    async with TestNatsBroker(broker):
        await broker.publish(Order(id=7, amount=30), "orders")
    assert charged == [30]
