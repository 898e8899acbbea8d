from faststream.specification import AsyncAPI
from service import broker, routes
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from faststream_integrations import broker_lifespan, make_asyncapi_asgi

app = Starlette(
    lifespan=broker_lifespan(broker),
    routes=[
        *(Route(path, handler) for path, handler in routes),
        Mount("/asyncapi", make_asyncapi_asgi(AsyncAPI(broker))),
    ],
)
