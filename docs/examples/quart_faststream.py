"""FastStream in Quart: brokers live as long as the application, handlers are its views."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from quart import Quart, Response, request

from faststream_integrations import broker_lifespan
from faststream_integrations.asgi import HttpHandler
from faststream_integrations.environment import BrokerOrApp, Environment
from faststream_integrations.http.errors import RequestError
from faststream_integrations.http.handlers import BoundHandler
from faststream_integrations.http.paths import check_path_parameters
from faststream_integrations.http.protocol import without_body
from faststream_integrations.http.request import AsgiRequest
from faststream_integrations.types import ASGIApp, Message, Receive, Scope


def init_app(
    app: Quart,
    *brokers_or_app: BrokerOrApp,
    asgi_routes: Sequence[tuple[str, HttpHandler]] = (),
    startup_timeout: float = 10.0,
) -> None:
    """Run brokers with an application, and serve handlers in it."""
    lifespan = broker_lifespan(*brokers_or_app, startup_timeout=startup_timeout)
    environment = Environment.of(*brokers_or_app)
    stack = AsyncExitStack()

    @app.before_serving
    async def start() -> None:
        await stack.enter_async_context(lifespan(app))

    @app.after_serving
    async def stop() -> None:
        await stack.aclose()

    for path, handler in asgi_routes:
        handler = HttpHandler.adopt(handler)
        check_path_parameters(path, handler)
        app.add_url_rule(
            path.replace("{", "<").replace("}", ">"),  # /orders/{order_id} is /orders/<order_id>
            endpoint=f"{'_'.join(handler.methods)} {path}",
            view_func=make_view(handler.bind(environment)),
            methods=handler.methods,
            provide_automatic_options=False,
        )


def make_view(endpoint: BoundHandler) -> Callable[..., Awaitable[Response]]:
    """Make the view that runs a compiled handler."""

    async def view(**path_params: str) -> Response:
        scope: Scope = {**request.scope, "path_params": path_params}
        receive = receive_from(request.body)
        try:
            answer = await endpoint.handle(
                AsgiRequest(scope, receive, send_nothing, endpoint.max_body_size)
            )
        except RequestError as error:
            answer = error.response()
        return await to_quart(answer, scope, receive)

    return view


def receive_from(body: Any) -> Receive:
    """Read the body from Quart, which has taken ASGI's `receive` for itself."""
    chunks = aiter(body)

    async def receive() -> Message:
        chunk = await anext(chunks, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    return receive


async def to_quart(answer: ASGIApp, scope: Scope, receive: Receive) -> Response:
    """Make a response of Quart's of what a handler returns, which is an ASGI application."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    await answer(scope, receive, without_body(send) if scope["method"] == "HEAD" else send)
    start, *parts = messages
    response = Response(b"".join(part.get("body", b"") for part in parts), start["status"])
    response.headers.clear()
    for name, value in start["headers"]:
        response.headers.add(name.decode("latin-1"), value.decode("latin-1"))
    return response


async def send_nothing(message: Message) -> None:
    """Stand in for ASGI's `send`, which Quart has taken, too."""
