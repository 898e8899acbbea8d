from service import broker, routes

from faststream_integrations import AsgiFastStream

app = AsgiFastStream(broker, asgi_routes=routes, asyncapi_path="/asyncapi")
