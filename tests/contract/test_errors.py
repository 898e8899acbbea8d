"""What a request is told that cannot be served, and what it is not told."""

import logging
from typing import Annotated

import pytest
from faststream import Context, Depends
from pydantic import BaseModel

from faststream_integrations.asgi import (
    AsgiResponse,
    Body,
    Header,
    JSONResponse,
    Path,
    Query,
    Request,
    get,
    post,
)


class Order(BaseModel):
    item: str
    count: int


async def response_of(host, broker, handler, url="/it", path="/it", method="GET", **request):
    async with host.client(broker, asgi_routes=[(path, handler)]) as client:
        return await client.request(method, url, **request)


async def test_invalid_request_is_422_with_all_errors_at_once(host, broker):
    async def dependency(limit: Annotated[int, Query()]):
        return limit

    @post
    async def handler(
        d: Annotated[int, Depends(dependency)],
        page: Annotated[int, Query()],
        tags: Annotated[list[int], Query("tag")],
        x_token: Annotated[str, Header()],
        order_id: Annotated[int, Path()],
        order: Annotated[Order, Body()],
    ):
        raise AssertionError

    response = await response_of(
        host, broker, handler, "/o/x?page=y&tag=1&tag=z&limit=w", "/o/{order_id}", "POST",
        json={"count": "many"},
    )  # fmt: skip

    assert response.status_code == 422
    assert response.headers["content-type"].partition(";")[0] == "application/json"
    errors = {(*error["loc"],): error for error in response.json()["detail"]}
    assert {
        ("query", "limit"),
        ("query", "page"),
        ("query", "tag", 1),
        ("header", "x-token"),
        ("path", "order_id"),
        ("body", "item"),
        ("body", "count"),
    } == set(errors)
    assert all({"type", "loc", "msg", "input"} <= set(error) for error in errors.values())
    assert errors["header", "x-token"]["type"] == "missing"
    assert (
        errors["query", "page"]["type"],
        errors["query", "page"]["input"],
    ) == ("int_parsing", "y")


async def test_body_that_is_no_json_is_refused(host, broker):
    @post
    async def handler(order: Annotated[Order, Body()]):
        raise AssertionError

    response = await response_of(
        host, broker, handler, method="POST",
        content=b"{broken", headers={"content-type": "application/json"},
    )  # fmt: skip
    assert response.status_code == host.invalid_json
    assert [error["type"] for error in response.json()["detail"]] == ["json_invalid"]


async def test_missing_body_is_422(host, broker):
    @post
    async def handler(order: Annotated[Order, Body()]):
        raise AssertionError

    response = await response_of(host, broker, handler, method="POST")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_body_of_a_form_on_a_foreign_page_is_415(host, broker, content_type):
    @post
    async def handler(order: Annotated[Order, Body()]):
        raise AssertionError

    response = await response_of(
        host, broker, handler, method="POST",
        content=b'{"item": "x", "count": 1}', headers={"content-type": content_type},
    )  # fmt: skip
    assert response.status_code == 415


@pytest.mark.parametrize("chunked", [False, True])
async def test_body_over_the_limit_is_413_and_the_limit_itself_is_not(host, broker, chunked):
    async def chunks(body):
        for start in range(0, len(body), 10):
            yield body[start : start + 10]

    @post(request_max_body_size=100)
    async def handler(request: Request):
        return JSONResponse(len(await request.body()))

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        for size, status_code in ((100, 200), (101, 413)):
            body = b"x" * size
            response = await client.post("/it", content=chunks(body) if chunked else body)
            assert status_code == response.status_code


async def test_wrong_method_is_405_with_allow(host, broker):
    @get
    async def handler():
        return AsgiResponse()

    response = await response_of(host, broker, handler, method="POST")
    assert response.status_code == 405
    allowed = set(response.headers["allow"].split(", "))
    assert {"GET", "HEAD"} == allowed - {"OPTIONS"}  # which Litestar answers everywhere


async def test_unknown_path_is_404(host, broker):
    response = await response_of(host, broker, get(lambda: AsgiResponse()), "/nothing")
    assert response.status_code == 404


async def test_exception_of_the_user_is_500_and_tells_nothing(host, broker):
    @get
    async def handler():
        raise RuntimeError("a secret")

    response = await response_of(host, broker, handler)
    assert response.status_code == 500
    assert "secret" not in response.text


async def test_validation_error_of_the_user_is_500(host, broker):
    async def dependency():
        Order.model_validate({})

    @get
    async def in_handler():
        Order.model_validate({})

    @get
    async def in_dependency(d: Annotated[None, Depends(dependency)]):
        raise AssertionError

    for handler in (in_handler, in_dependency):
        response = await response_of(host, broker, handler)
        assert response.status_code == 500


async def test_exception_of_the_user_reaches_the_host_or_the_log(host, broker, caplog):
    class OrderError(Exception):
        pass

    @get
    async def handler():
        raise OrderError

    seen = []
    options = options_of(host) | host.watch(seen.append)
    app = host.build(broker, asgi_routes=[("/it", handler)], **options)

    async def watch(scope, receive, send):
        try:
            await app(scope, receive, send)
        except OrderError as error:
            seen.append(error)
            raise

    from faststream_integrations.testing import asgi_client

    async with asgi_client(watch, broker, raise_app_exceptions=False) as client:
        await client.get(f"{host.prefix}/it")

    logged = [record for record in caplog.records if record.exc_info]
    if host.propagates:
        assert [OrderError] == [type(error) for error in seen]
    else:
        assert [OrderError] == [record.exc_info[0] for record in logged]
        assert "/it" in logged[0].getMessage()


def options_of(host):
    # FastStream's own logger does not propagate to the one that the test watches.
    return {} if host.propagates else {"logger": logging.getLogger("tests.contract")}


async def test_missing_context_value_is_500(host, broker):
    @get
    async def handler(absent: Annotated[str, Context()]):
        raise AssertionError

    response = await response_of(host, broker, handler)
    assert response.status_code == 500
    assert "absent" not in response.text


async def test_handler_that_returns_what_cannot_be_written_is_500(host, broker):
    @get
    async def handler():
        return object()

    response = await response_of(host, broker, handler)
    assert response.status_code == 500


async def test_dependency_refuses_before_parameters_are_validated(host, broker):
    class Unauthorized(Exception):
        pass

    calls = []

    async def authenticate(x_token: Annotated[str, Header()]):
        calls.append(x_token)
        raise Unauthorized

    @get
    async def handler(page: Annotated[int, Query()], user=Depends(authenticate)):
        raise AssertionError

    response = await response_of(host, broker, handler, "/it?page=x", headers={"x-token": "t"})
    assert response.status_code == 500
    assert calls == ["t"]


async def test_websocket_on_a_handler_is_closed(host, broker):
    app = host.build(broker, asgi_routes=[("/it", get(lambda: AsgiResponse()))])
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    path = f"{host.prefix}/it"
    await app(
        {
            "type": "websocket", "asgi": {"version": "3.0"}, "scheme": "ws", "path": path,
            "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": [],
            "subprotocols": [], "state": {}, "client": ("c", 1), "server": ("s", 1),
            "http_version": "1.1",
        },
        receive,
        send,
    )  # fmt: skip
    assert [message["type"] for message in sent] == ["websocket.close"]
