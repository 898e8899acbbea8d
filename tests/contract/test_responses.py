"""What comes back."""

from faststream.asgi import AsgiResponse as UpstreamResponse
from faststream.asgi import get as upstream_get
from faststream.asgi import post as upstream_post
from starlette.responses import PlainTextResponse

from faststream_integrations.asgi import (
    AsgiResponse,
    JSONResponse,
    delete,
    get,
    patch,
    post,
    put,
)


async def test_head_is_get_without_a_body(host, broker):
    @get
    async def handler():
        return AsgiResponse(b"12345", 200, {"x-it": "yes"})

    @get
    async def foreign():
        return PlainTextResponse("12345")

    routes = [("/it", handler), ("/foreign", foreign)]
    async with host.client(broker, asgi_routes=routes) as client:
        for url in ("/it", "/foreign"):
            response = await client.head(url)
            assert (
                response.status_code, response.content, response.headers["content-length"],
            ) == (200, b"", "5")  # fmt: skip
            assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_post_does_not_answer_head(host, broker):
    calls = []

    @post
    async def ours():
        calls.append("ours")
        return AsgiResponse()

    @upstream_post
    async def upstreams():
        calls.append("upstream's")
        return UpstreamResponse()

    async with host.client(broker, asgi_routes=[("/a", ours), ("/b", upstreams)]) as client:
        assert (await client.head("/a")).status_code == 405
        if host.adopts:
            assert (await client.head("/b")).status_code == 405
            assert calls == []


async def test_every_method_has_its_decorator(host, broker):
    async def handler(scope):
        return AsgiResponse(scope["method"].encode())

    decorators = {"GET": get, "POST": post, "PUT": put, "PATCH": patch, "DELETE": delete}
    routes = [(f"/{method}", decorator(handler)) for method, decorator in decorators.items()]
    async with host.client(broker, asgi_routes=routes) as client:
        for method in decorators:
            assert method == (await client.request(method, f"/{method}")).text


async def test_response_has_status_headers_and_content_type(host, broker):
    @get
    async def handler():
        headers = [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("Content-Type", "text/html")]
        return AsgiResponse(b"<p>", 201, headers)

    @get
    async def nothing():
        return AsgiResponse(b"", 204)

    async with host.client(broker, asgi_routes=[("/it", handler), ("/no", nothing)]) as client:
        response = await client.get("/it")
        assert (
            response.status_code, response.content, response.headers["content-type"],
        ) == (201, b"<p>", "text/html")  # fmt: skip
        assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
        response = await client.get("/no")
        assert (response.status_code, response.content) == (204, b"")
        assert "content-length" not in response.headers
        assert "content-type" not in response.headers


async def test_one_response_object_answers_many_requests(host, broker):
    shared = JSONResponse({"a": 1})

    @get
    async def handler():
        return shared

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        first, second = await client.get("/it"), await client.get("/it")
    assert first.json() == second.json() == {"a": 1}
    assert first.headers == second.headers


async def test_handlers_of_upstream_are_accepted(host, broker):
    @upstream_get
    async def handler(scope):
        return UpstreamResponse(b"upstream", 202)

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        response = await client.get("/it")
    assert (response.status_code, response.text) == (202, "upstream")
