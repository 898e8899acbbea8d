from shop_modern_di import read_price, service

app = service.as_asgi(asgi_routes=[("/price", read_price)])
