"""The order service in FastAPI: the broker lives and ends with the application."""

from fastapi import FastAPI, HTTPException, Response
from faststream.specification import AsyncAPI

from examples.orders.service import NewOrder, PricedOrder, broker, orders, place_order
from faststream_integrations import broker_lifespan, make_asyncapi_asgi, make_ping_asgi

app = FastAPI(title="Orders", lifespan=broker_lifespan(broker))


@app.post("/orders", status_code=202)
async def create_order(order: NewOrder, response: Response) -> PricedOrder:
    """Place an order and answer with its price; `Location` is where to read it from now on."""
    priced = await place_order(order)
    response.headers["Location"] = f"/orders/{priced.id}"
    return priced


@app.get("/orders/{order_id}")
async def read_order(order_id: str) -> PricedOrder:
    """Answer with a stored order."""
    if order_id not in orders:
        raise HTTPException(404, f"There is no order {order_id}.")
    return orders[order_id]


app.mount("/health", make_ping_asgi(broker, timeout=5.0))
app.mount("/asyncapi", make_asyncapi_asgi(AsyncAPI(broker, title="Orders"), try_it_out=False))
