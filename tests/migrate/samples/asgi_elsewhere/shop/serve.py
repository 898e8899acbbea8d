import faststream.asgi as http  # change: import faststream_integrations.asgi
from faststream.asgi import AsgiFastStream  # change: import `AsgiFastStream`
from faststream import asgi  # change: import `asgi` from faststream_integrations
import faststream.asgi  # change: import the names from faststream_integrations.asgi

from shop.application import application, broker

app = application.as_asgi(asgi_routes=[("/health", http.make_ping_asgi(broker))])
other = AsgiFastStream(broker)  # check: the startup is complete when the brokers consume
