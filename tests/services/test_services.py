"""The services of `examples/services`, as their users meet them, on real brokers."""

import asyncio
from typing import Any

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from faststream_integrations.testing import asgi_client

PATIENCE = 60.0


async def eventually(find: Any) -> Any:
    """Ask again until something true is found."""

    async def ask() -> Any:
        while not (found := await find()):
            await asyncio.sleep(0.02)
        return found

    return await asyncio.wait_for(ask(), PATIENCE)


async def test_fastapi_with_jetstream_and_a_database(service, nats_url, tmp_path, unique):
    main = service(
        "fastapi_jetstream",
        NATS_URL=nats_url,
        STREAM=unique,
        DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/orders.db",
    )
    for start in range(2):  # what the first run has stored is there in the second
        async with asgi_client(main.app) as client:
            assert (await client.get("/ready")).status_code == 200
            placed = await client.post("/v1/orders", json={"drink": "tea"})
            assert placed.status_code == 201
            number = placed.json()["id"]
            assert placed.json() == {"drink": "tea", "id": number, "status": "placed"}

            async def ready(number: int = number, client: Any = client) -> bool:
                order = (await client.get(f"/v1/orders/{number}")).json()
                return order["status"] == "ready"

            await eventually(ready)
            listed = (await client.get("/v2/orders", params={"status": "ready"})).json()
            assert [order["id"] for order in listed] == list(range(1, start + 2))
            assert (await client.get("/v1/orders/99")).json() == {"detail": "No such order"}
            assert (await client.post("/v1/orders", json={})).status_code == 422
            if start:
                assert (await client.delete(f"/v2/orders/{number}")).status_code == 204
                assert (await client.delete(f"/v2/orders/{number}")).status_code == 404
            openapi = (await client.get("/openapi.json")).json()
            document = (await client.get("/asyncapi.json")).json()
    assert set(openapi["paths"]) == {
        "/v1/orders",
        "/v1/orders/{order_id}",
        "/v2/orders",
        "/v2/orders/{order_id}",
    }
    schema = openapi["paths"]["/v1/orders"]["post"]["responses"]["201"]["content"]
    assert schema["application/json"]["schema"]["$ref"].endswith("/Order")
    assert document["info"] == {"title": "Coffee bar", "version": "2.0.0"}
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert {"/v1/orders", "/v1/orders/{order_id}"} < addresses
    assert not main.service.context.get("sessions").kw["bind"].pool.checkedout()


async def test_litestar_with_redis_streams(service, reachable, unique):
    reachable("Redis", 6379)
    main = service("litestar_redis", STREAM=unique)
    ada = {"x-reader": "ada"}
    async with asgi_client(main.app) as client:
        assert (await client.get("/ready")).status_code == 200
        refused = await client.post("/loans/Emma")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Reader")
        lent = await client.post("/loans/Emma", headers=ada)
        assert lent.status_code == 201
        loan = lent.json()

        async def found() -> bool:
            return (await client.get(f"/loans/{loan['id']}")).status_code == 200

        await eventually(found)
        assert (await client.get(f"/loans/{loan['id']}")).json() == loan
        assert (await client.get("/mine", headers=ada)).json() == [loan]
        assert (await client.get("/mine", headers={"x-reader": "eve"})).json() == []
        assert (await client.get("/mine")).headers["www-authenticate"] == "Reader"
        for path in ("/asyncapi", "/asyncapi.json"):
            assert (await client.get(path, headers={"x-reader": "eve"})).status_code == 401
            assert (await client.get(path, headers=ada)).status_code == 200
        document = (await client.get("/asyncapi.json", headers=ada)).json()
        await main.broker._connection.delete(unique)
    assert document["info"] == {"title": "Library", "version": "1.2.0"}
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert {"/mine", "/ready"} < addresses


async def test_plain_asgi_with_rabbitmq(service, reachable, unique):
    reachable("RabbitMQ", 5672)
    main = service("asgi_rabbitmq", QUEUE=unique)
    spans = InMemorySpanExporter()
    main.tracing.add_span_processor(SimpleSpanProcessor(spans))
    origin = {"origin": "https://parcels.example"}
    async with asgi_client(main.app) as client:
        assert (await client.get("/ready")).status_code == 200
        preflight = await client.options(
            "/parcels",
            headers={
                **origin,
                "access-control-request-method": "POST",
                "access-control-request-headers": "x-key",
            },
        )
        assert preflight.headers["access-control-allow-origin"] == "https://parcels.example"
        parcel = {"to": "Ada", "grams": 300}
        refused = await client.post("/parcels", json=parcel, headers=origin)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Key")
        assert refused.headers["access-control-allow-origin"] == "https://parcels.example"
        announced = await client.post("/parcels", json=parcel, headers={"x-key": "key"})
        assert announced.status_code == 202
        assert announced.json() == {**parcel, "id": 1, "status": "announced"}

        async def on_its_way() -> bool:
            return (await client.get("/parcels/1")).json()["status"] == "on its way"

        await eventually(on_its_way)
        assert (await client.get("/parcels/2")).status_code == 404
        metrics = (await client.get("/metrics")).text
        document = (await client.get("/asyncapi.json")).json()
    assert 'faststream_broker_up{broker="RabbitBroker' in metrics
    assert "faststream_received_processed_messages_total" in metrics
    names = {span.name for span in spans.get_finished_spans() if span.kind.name == "SERVER"}
    assert {"POST /parcels", "GET /parcels/{parcel_id}"} <= names
    requests = [s for s in spans.get_finished_spans() if s.name == "POST /parcels"]
    traces = {s.context.trace_id for s in spans.get_finished_spans() if s.name.endswith("process")}
    assert traces <= {request.context.trace_id for request in requests}
    assert traces
    assert document["info"]["title"] == "Parcels"
