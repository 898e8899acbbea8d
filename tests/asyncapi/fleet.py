"""A service with thirty operations on three brokers, and with HTTP routes."""

from typing import Annotated, Any, Literal

from faststream.nats import NatsBroker
from faststream.rabbit import RabbitBroker
from faststream.redis import RedisBroker
from faststream.specification import AsyncAPI
from pydantic import BaseModel, Field

from faststream_integrations.asgi import AsgiResponse, Path, Query, get, post

AREAS = ("billing", "shipping", "stock", "search")


class Address(BaseModel):
    street: str
    city: str = Field(examples=["London"])
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "GB"


class Parcel(BaseModel):
    """What is sent in one box."""

    weight: Annotated[float, Field(gt=0, description="In kilograms")]
    to: Address
    contains: list["Parcel"] = []


class Changed(BaseModel):
    id: int
    kind: Literal["created", "changed", "deleted"]
    by: str | None = None


def make_fleet() -> AsyncAPI:
    """The specification; nothing is connected."""
    nats = NatsBroker("nats://nats.internal:4222", logger=None)
    rabbit = RabbitBroker(
        "amqp://rabbit-in-a-data-center-with-a-very-long-name.eu-west-1.example.internal:5672/",
        logger=None,
    )
    redis = RedisBroker("redis://redis.internal:6379", logger=None)
    brokers: list[tuple[Any, str, str]] = [
        (nats, "Nats", "."),
        (rabbit, "Rabbit", "-"),
        (redis, "Redis", ":"),
    ]
    for broker, kind, separator in brokers:
        for area in AREAS:

            @broker.subscriber(separator.join((area, "changed")), title=f"{kind}{area.title()}")
            @broker.publisher(separator.join((area, "done")))
            async def on_changed(body: Changed) -> Changed:
                """Takes a change, and says *when it is done*.

                # With a heading

                And a list:

                - of one
                - of two, with `code`
                """
                return body

        # One address on three brokers.
        @broker.subscriber("parcels", title=f"Parcels{kind}")
        async def on_parcel(body: Parcel) -> None:
            """Weighs a parcel."""

        @broker.subscriber(f"a{separator}very{separator}long{separator}address{separator}" * 4)
        async def on_something_with_a_name_longer_than_any_line_of_a_phone(body: str) -> None: ...

    @get
    async def version() -> AsgiResponse:
        """The version that runs."""
        return AsgiResponse(b"1")

    @post
    async def order(
        order_id: Annotated[int, Path()], limit: Annotated[int, Query()] = 10
    ) -> AsgiResponse:
        """Orders a parcel."""
        return AsgiResponse(b"1")

    specification = AsyncAPI(
        nats,
        rabbit,
        redis,
        title="Fleet",
        version="2.0.0",
        description="Thirty operations.\n\n# A heading\n\nAnd [a link](https://example.com).",
        contact={"name": "The team", "url": "https://example.com/team"},
        license={"name": "MIT"},
    )
    specification.add_http_route("/version", version)
    specification.add_http_route("/orders/{order_id}", order)
    return specification
