from tests.lifecycle.conftest import faulty_servers, received

__all__ = ("faulty_servers", "received")
