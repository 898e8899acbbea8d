from shop_injector import broker, read_price

from faststream_integrations import AsgiFastStream

app = AsgiFastStream(broker, asgi_routes=[("/price", read_price)])
