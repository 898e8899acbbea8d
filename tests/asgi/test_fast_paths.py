"""What the compiler, the request and the router do in another way where it is faster."""

import logging
from typing import Annotated

import pytest
from faststream import ContextRepo, Depends, Logger

from faststream_integrations._faststream import global_reader
from faststream_integrations.asgi import (
    AsgiFastStream,
    AsgiResponse,
    Header,
    Path,
    Request,
    get,
    post,
)
from faststream_integrations.testing import asgi_client

LOCAL, GLOBAL, OWN = (logging.getLogger(name) for name in ("local", "global", "own"))


@get
async def logger_name(logger: Logger) -> AsgiResponse:
    return AsgiResponse(logger.name.encode())


@pytest.mark.parametrize("cleared", [False, True])
async def test_global_logger_comes_before_the_one_of_the_application(cleared):
    app = AsgiFastStream(asgi_routes=[("/", logger_name)], logger=LOCAL)
    async with asgi_client(app) as client:
        assert (await client.get("/")).text == "local"
        if cleared:
            app.context.clear()
        app.context.set_global("logger", GLOBAL)
        assert (await client.get("/")).text == "global"
        app.context.reset_global("logger")
        assert (await client.get("/")).text == "local"


async def test_dependency_may_replace_the_logger():
    async def own_logger(context: ContextRepo):
        with context.scope("logger", OWN):
            yield

    @get
    async def handler(_: Annotated[None, Depends(own_logger)], logger: Logger) -> AsgiResponse:
        return AsgiResponse(logger.name.encode())

    app = AsgiFastStream(asgi_routes=[("/own", handler), ("/", logger_name)], logger=LOCAL)
    async with asgi_client(app) as client:
        assert (await client.get("/own")).text == "own"
        assert (await client.get("/")).text == "local"


def test_global_values_are_found_without_private_attributes():
    class Unknown:
        def get(self, key, default):
            return f"{key} or {default}"

    assert global_reader(Unknown())("key", "default") == "key or default"


async def test_handler_and_dependency_read_the_same_header():
    async def first(x_user: Annotated[str, Header()]) -> str:
        return x_user

    async def all_of_them(x_user: Annotated[list[str], Header()]) -> list[str]:
        x_user.append("changed")
        return x_user

    @get
    async def handler(
        x_user: Annotated[str, Header()],
        dependency: Annotated[str, Depends(first)],
        changed: Annotated[list[str], Depends(all_of_them)],
        users: Annotated[list[str], Header("x-user")],
    ) -> AsgiResponse:
        return AsgiResponse(f"{x_user} | {dependency} | {changed} | {users}".encode())

    async with asgi_client(AsgiFastStream(asgi_routes=[("/", handler)])) as client:
        response = await client.get("/", headers=[("x-user", "ann"), ("x-user", "bob")])
    assert response.text == "ann, bob | ann, bob | ['ann', 'bob', 'changed'] | ['ann', 'bob']"


@pytest.mark.parametrize(
    ("path", "answer"),
    [("/a/b/c", "static b c"), ("/a/b/d", "x=b d"), ("/a/e/c", "x=e"), ("/a/b/f", None)],
)
async def test_dead_end_of_a_named_segment_leads_back_to_the_parameter(path, answer):
    def named(name: str):
        @get
        async def handler(x: Annotated[str, Path()] = "") -> AsgiResponse:
            return AsgiResponse(f"{name}{x}".encode())

        return handler

    @get
    async def with_tail(x: Annotated[str, Path()]) -> AsgiResponse:
        return AsgiResponse(f"x={x} d".encode())

    routes = [
        ("/a/b/c/{tail}", named("unused")),  # makes a branch for b
        ("/a/b/c", named("static b c")),
        ("/a/{x}/c", named("x=")),
        ("/a/{x}/d", with_tail),
    ]
    async with asgi_client(AsgiFastStream(asgi_routes=routes)) as client:
        response = await client.get(path)
    assert response.status_code == (404 if answer is None else 200)
    assert answer is None or response.text == answer


async def test_body_in_pieces_is_read_once():
    @post
    async def handler(request: Request) -> AsgiResponse:
        whole, again = await request.body(), await request.json_body()
        pieces = [piece async for piece in request.stream()]
        assert whole is again is pieces[0]
        return AsgiResponse(whole)

    async def pieces():
        for piece in (b"[1,", b"", b" 2]"):
            yield piece

    async with asgi_client(AsgiFastStream(asgi_routes=[("/", handler)])) as client:
        response = await client.post(
            "/", content=pieces(), headers={"content-type": "application/json"}
        )
    assert response.content == b"[1, 2]"


async def test_body_after_a_stream_says_what_to_do():
    @post
    async def handler(request: Request) -> AsgiResponse:
        async for _ in request.stream():
            break
        with pytest.raises(RuntimeError, match="read it once with `await request.body\\(\\)`"):
            await request.body()
        return AsgiResponse()

    async with asgi_client(AsgiFastStream(asgi_routes=[("/", handler)])) as client:
        assert (await client.post("/", content=b"body")).status_code == 200
