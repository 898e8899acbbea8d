from litestar import Litestar
from service import broker, routes

from faststream_integrations.litestar import FastStreamPlugin

app = Litestar(
    plugins=[FastStreamPlugin(broker, asgi_routes=routes, asyncapi_path="/asyncapi")],
)
