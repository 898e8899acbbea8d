from fastapi import FastAPI
from service import broker, routes

from faststream_integrations.fastapi import FastStreamRouter

app = FastAPI()
app.include_router(FastStreamRouter(broker, asgi_routes=routes, asyncapi_path="/asyncapi"))
