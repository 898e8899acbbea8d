"""FastStream inside ASGI applications."""
