"""Handlers by themselves: what is refused at registration, what was compiled, where they work."""

import linecache
from decimal import Decimal
from typing import Annotated, Any

import pytest
from fast_depends.library import CustomField
from faststream import Context, Depends
from faststream import Header as MessageHeader
from faststream.asgi import AsgiFastStream as UpstreamAsgiFastStream
from faststream.asgi import HttpHandler as UpstreamHttpHandler
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker
from litestar.types import HTTPScope
from pydantic import Field
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from faststream_integrations.asgi import (
    AsgiFastStream,
    AsgiResponse,
    Body,
    HttpHandler,
    JSONResponse,
    Path,
    Query,
    Request,
    get,
    post,
)
from faststream_integrations.testing import asgi_client
from faststream_integrations.types import Scope


def test_decorators_make_handlers_of_upstreams_class():
    @get
    async def plain(scope): ...

    @post(include_in_schema=False, description="D", tags=[{"name": "t"}], unique_id="u")
    async def with_arguments(scope): ...

    assert isinstance(plain, UpstreamHttpHandler)
    assert plain.methods == ("GET", "HEAD")
    assert plain.include_in_schema
    assert (with_arguments.methods, with_arguments.include_in_schema) == (("POST",), False)
    assert (with_arguments.description, with_arguments.unique_id) == ("D", "u")
    assert with_arguments.tags == [{"name": "t"}]


def test_docstring_is_the_description():
    @get
    async def handler(scope):
        """What it does."""

    assert handler.description == "What it does."


def test_parameter_that_nothing_fills_is_refused_where_the_handler_is_registered():
    @get
    async def handler(scope, second): ...

    with pytest.raises(SetupError, match="'second' of .*handler cannot be filled"):
        AsgiFastStream(asgi_routes=[("/it", handler)])


def test_first_parameter_of_another_type_than_a_mapping_is_not_the_scope():
    @get
    async def handler(database: Decimal): ...

    with pytest.raises(SetupError, match="'database' of .*handler cannot be filled"):
        AsgiFastStream(asgi_routes=[("/it", handler)])


@pytest.mark.parametrize(
    "annotation", [Any, object, dict, dict[str, Any], Scope, Scope | None, HTTPScope]
)
async def test_first_parameter_with_the_type_of_a_scope_is_the_scope(annotation):
    @get
    async def handler(connection: annotation):
        return JSONResponse(connection["type"])

    async with asgi_client(handler) as client:
        assert (await client.get("/")).json() == "http"


def test_parameter_with_two_sources_is_refused():
    with pytest.raises(SetupError, match="has several sources"):

        @get
        async def handler(a: Annotated[int, Query()] = Body()): ...


def test_dependency_on_itself_is_refused():
    async def dependency(a): ...

    dependency.__defaults__ = (Depends(dependency),)
    with pytest.raises(SetupError, match="dependency depends on itself"):

        @get
        async def handler(a=Depends(dependency)): ...


def test_parameter_of_a_message_is_refused_with_what_to_write():
    with pytest.raises(SetupError, match="Use Header of faststream_integrations.asgi"):

        @get
        async def handler(x_id: Annotated[str, MessageHeader()]): ...


def test_annotation_that_cannot_be_validated_is_refused():
    with pytest.raises(SetupError, match="'a' of .*handler: no validator can be made"):

        @get
        async def handler(a: Annotated[int, Field(pattern="["), Query()]): ...


def test_generator_is_no_handler():
    with pytest.raises(SetupError, match="is a generator"):

        @get
        async def handler(scope):
            yield


def test_annotations_may_name_what_the_module_defines_later():
    namespace = {}
    source = """
from __future__ import annotations
from typing import Annotated, Any
from faststream_integrations.asgi import get, Body, JSONResponse

@get
async def handler(item: Annotated[Item, Body()]):
    return JSONResponse(item)

from pydantic import BaseModel
class Item(BaseModel):
    name: str
"""
    exec(source, namespace)
    assert "validate__item" in namespace["handler"].source


def test_annotation_that_never_exists_is_refused_when_it_is_needed():
    @get
    async def handler(item: "Annotated[Nowhere, Query()]"): ...  # noqa: F821

    with pytest.raises(SetupError, match="annotations of item refer to names that do not exist"):
        handler.source  # noqa: B018


def test_source_is_readable_and_known_to_tracebacks():
    @get
    async def handler(page: Annotated[int, Query()], order_id: Annotated[str, Path()]): ...

    assert "value__page = validate__page(query__page)" in handler.source
    compile(handler.source, "plan", "exec")
    assert handler.source in ("".join(entry[2]) for entry in linecache.cache.values())


async def test_traceback_shows_the_line_of_the_plan():
    import traceback

    @get
    async def handler():
        raise ValueError

    async with asgi_client(handler) as client:
        with pytest.raises(ValueError) as raised:
            await client.get("/")
    lines = [frame.line for frame in traceback.extract_tb(raised.tb)]
    assert "response = await call__handler()" in lines


async def test_custom_field_of_the_user_is_resolved():
    class Answer(CustomField):
        def use(self, /, **kwargs):
            return {**kwargs, self.param_name: 42}

    class Asynchronous(CustomField):
        async def use(self, /, **kwargs):
            return {**kwargs, self.param_name: 43}

    @get
    async def handler(a: Annotated[int, Answer()], b: Annotated[int, Asynchronous()]):
        return JSONResponse([a, b])

    async with asgi_client(handler) as client:
        assert (await client.get("/")).json() == [42, 43]


async def test_handler_works_under_no_application_where_it_needs_none():
    async def dependency(q: Annotated[int, Query()]):
        return q

    @get
    async def handler(request: Request, q: Annotated[int, Depends(dependency)]):
        return JSONResponse([request.method, q])

    async with asgi_client(handler) as client:
        assert (await client.get("/any/path?q=1")).json() == ["GET", 1]


async def test_handler_under_no_application_says_what_to_do_for_the_context():
    @get
    async def handler(broker: Annotated[NatsBroker, Context()]): ...

    async with asgi_client(handler) as client:
        with pytest.raises(LookupError, match=r"lifespan=broker_lifespan\(broker\)"):
            await client.get("/")


async def test_handler_in_starlettes_mount_answers_at_the_mount_only():
    @get
    async def handler():
        return AsgiResponse(b"it")

    routes = [
        Mount("/mounted", handler),
        Mount("/nested", routes=[Route("/route", get(lambda: AsgiResponse(b"route")))]),
    ]
    async with asgi_client(Starlette(routes=routes)) as client:
        assert (await client.get("/mounted/")).text == "it"
        assert (await client.get("/mounted/below")).status_code == 404
        assert (await client.get("/nested/route")).text == "route"


async def test_handler_works_in_upstreams_application():
    broker = NatsBroker()

    @get
    async def handler(
        page: Annotated[int, Query()],
        request: Request,
        broker_: Annotated[object, Context("broker")],
    ):
        return JSONResponse([page, request.path, broker_ is broker])

    @get
    async def failing():
        raise ValueError

    app = UpstreamAsgiFastStream(
        broker, asgi_routes=[("/it", handler), ("/failing", failing)], logger=None
    )
    async with asgi_client(app, broker) as client:
        assert (await client.get("/it?page=3")).json() == [3, "/it", True]
        assert (await client.get("/it?page=x")).status_code == 422
        assert (await client.get("/failing")).status_code == 500
        assert (await client.head("/it?page=3")).content == b""
    assert "/it" in str(app.schema.to_specification().to_jsonable())


async def test_one_handler_serves_several_applications_with_their_own_context():
    from faststream_integrations.asgi import AsgiFastStream

    @get
    async def handler(name: Annotated[str, Context()]):
        return JSONResponse(name)

    apps = [AsgiFastStream(asgi_routes=[("/it", handler)]) for _ in range(2)]
    for number, app in enumerate(apps):
        app.context.set_global("name", f"app {number}")
    for number, app in enumerate(apps):
        async with asgi_client(app) as client:
            assert (await client.get("/it")).json() == f"app {number}"


def test_handler_keeps_the_class_and_says_what_it_is():
    @get
    async def handler(): ...

    assert type(handler) is HttpHandler
    assert "GET/HEAD handler" in repr(handler)
