from faststream.nats import NatsBroker
from litestar import Controller, Litestar, post
from litestar_faststream import BrokerConfig, FastStreamConfig, FastStreamPlugin, publisher, subscriber  # change: there is no `BrokerConfig` | there is no `FastStreamConfig` | takes the brokers themselves | `@publisher(...)` is `@broker.publisher(...)` | `@subscriber(...)` is `@broker.subscriber(...)`

broker = NatsBroker("nats://127.0.0.1:4222")


@subscriber("orders.new")
@publisher("orders.priced")
async def price(order: dict[str, int]) -> dict[str, int]:
    return order


class Orders(Controller):
    path = "/orders"

    @post("/")
    async def place(self, data: dict[str, int], nats: NatsBroker) -> None:
        await nats.publish(data, "orders.new")


app = Litestar(
    route_handlers=[Orders],
    plugins=[
        FastStreamPlugin(  # change: write `FastStreamPlugin(broker, specification=AsyncAPI(title='Shop'), asyncapi_path='/asyncapi', dependency_key='nats')`
            FastStreamConfig(
                title="Shop",
                asyncapi_url="/asyncapi",
                brokers=[BrokerConfig(broker, name="nats", handlers=[price])],  # change: decorate them with `@broker.subscriber`
            )
        )
    ],
)
