"""Nothing that a user names can change what runs: a security property of the compiler."""

import builtins
import inspect
import keyword
import re
from typing import Annotated, Any

import pytest
from faststream import Context, Depends
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faststream_integrations.asgi import (
    AsgiResponse,
    Body,
    Cookie,
    Header,
    Path,
    Query,
    RequestError,
    get,
)
from faststream_integrations.compiler.writer import Writer
from faststream_integrations.environment import DETACHED
from faststream_integrations.http.handlers import HttpHandler
from faststream_integrations.http.plan import ErrorsWriter, Plan
from faststream_integrations.http.request import AsgiRequest


async def in_full(
    scope,
    q: Annotated[int, Query()],
    values: Annotated[list[int], Query()],
    text: Annotated[str, Header()],
    many: Annotated[list[str], Header()],
    part: Annotated[int, Path()],
    cookie: Annotated[str, Cookie()],
    body: Annotated[dict[str, int], Body()],
    logger=Context(),
    request=Context(),
    context=Context(),
    missing=Context(default=None),
    first=Context(initial=list),
):
    return AsgiResponse()


def source_of_everything() -> str:
    """Return the source of handlers that make the generator write all that it can write."""

    async def generator(q: Annotated[int, Query()] = 1):
        yield q

    def in_thread(x: Annotated[int, Depends(generator, cast_result=True)]) -> int:
        return x

    async def handler(scope, x: Annotated[int, Depends(in_thread)]):
        return AsgiResponse()

    handlers = [HttpHandler(in_full), HttpHandler(handler)]
    sources = [handler.source for handler in handlers]
    plans = [each.plans().of(DETACHED) for each in handlers]
    writers = [ErrorsWriter(each._validators, embeds=each._embeds) for each in plans]
    return "\n".join(sources + [writer.define("errors")[0] for writer in writers])


IDENTIFIERS = sorted(set(re.findall(r"[A-Za-z_]\w*", source_of_everything())))
BUILTINS = sorted(dir(builtins))
DUNDERS = [
    "__annotations__", "__builtins__", "__class__", "__dict__", "__doc__", "__globals__",
    "__import__", "__loader__", "__module__", "__name__", "__package__", "__slots__", "__spec__",
]  # fmt: skip
OURS = [
    "handler", "plan", "invalid", "response", "request", "environment", "host_values", "scope",
    "context", "stack", "name", "value", "text", "self", "call", "call__handler", "value__user",
    "call__user_2", "open__user", "_", "__", "ﬁnd", "é", "ªb", "名前",
]  # fmt: skip
NAMES = sorted({*IDENTIFIERS, *BUILTINS, *DUNDERS, *OURS})
PARAMETERS = [name for name in NAMES if name.isidentifier() and not keyword.iskeyword(name)]
PARAMETERS.remove("__debug__")


class Recorder:
    """Makes dependencies of each kind that note that they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def make(self, kind: str, result: Any, name: str) -> Any:
        async def coroutine():
            self.ran.append(kind)
            return result

        def function():
            self.ran.append(kind)
            return result

        async def async_generator():
            self.ran.append(kind)
            yield result

        def generator():
            self.ran.append(kind)
            yield result

        made = locals()[kind]
        made.__name__ = made.__qualname__ = name
        return made


KINDS = ["coroutine", "function", "async_generator", "generator"]


def request_of(query: bytes = b"") -> AsgiRequest:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": query,
        "headers": [],
    }

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        raise AssertionError

    return AsgiRequest(scope, receive, send)


async def run(handler: HttpHandler, query: bytes = b"") -> Any:
    return await handler.bind(DETACHED).handle(request_of(query))


async def check_dependency(name: str, kind: str) -> None:
    recorder = Recorder()
    dependency = recorder.make(kind, f"the result of {name}", name)

    async def endpoint(value=Depends(dependency), q: Annotated[int, Query()] = 1):
        recorder.ran.append("endpoint")
        return AsgiResponse(value.encode())

    endpoint.__name__ = name
    response = await run(get(sync_to_thread=False)(endpoint))

    assert response.body == f"the result of {name}".encode()
    assert recorder.ran == [kind, "endpoint"]

    recorder.ran.clear()
    with pytest.raises(RequestError) as raised:
        await run(get(sync_to_thread=False)(endpoint), b"q=x")
    assert raised.value.status_code == 422
    assert recorder.ran == [kind]


async def check_parameter(name: str, kind: str) -> None:
    recorder = Recorder()
    dependency = recorder.make(kind, "right", "dependency")
    namespace: dict[str, Any] = {
        "Depends": Depends, "Query": Query, "Annotated": Annotated, "depended": dependency,
        "ran": recorder.ran,
    }  # fmt: skip
    other = "second" if name != "second" else "third"
    source = f"""
async def inner({name}: Annotated[str, Query(default="queried")]):
    return {name}

async def endpoint({name}=Depends(depended), {other}=Depends(inner)):
    ran.append("endpoint")
    return [{name}, {other}]
"""
    exec(source, namespace)
    handler = HttpHandler(namespace["endpoint"], sync_to_thread=False)
    plan = Plan(handler.call, (), DETACHED.serializer, sync_to_thread=False, is_handler=False)

    assert await plan.run(request_of(), DETACHED) == ["right", "queried"]
    assert recorder.ran == [kind, "endpoint"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_dependency_of_any_name_runs(kind):
    for name in [*NAMES, "<lambda>", "two words", "", "a-b", "call__dependency"]:
        await check_dependency(name, kind)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_parameter_of_any_name_gets_its_own_value(kind):
    for name in PARAMETERS:
        await check_parameter(name, kind)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.text(min_size=1, max_size=12), kind=st.sampled_from(KINDS))
async def test_a_dependency_runs_under_any_text_as_its_name(name, kind):
    await check_dependency(name, kind)


identifiers = st.from_regex(r"[^\W\d]\w{0,8}", fullmatch=True).filter(
    lambda text: text.isidentifier() and not keyword.iskeyword(text)
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=identifiers, kind=st.sampled_from(KINDS))
async def test_a_parameter_of_any_identifier_gets_its_own_value(name, kind):
    await check_parameter(name, kind)


async def test_dependencies_of_one_name_are_told_apart():
    def make(result):
        async def user():
            return result

        return user

    @get
    async def user(a=Depends(make(b"a")), b=Depends(make(b"b")), user=Depends(make(b"c"))):
        return AsgiResponse(a + b + user)

    assert (await run(user)).body == b"abc"


async def test_a_parameter_that_no_source_could_write_gets_its_value():
    """By `__signature__` a parameter may have a name that Python rewrites or does not allow."""

    async def endpoint(**values):
        return AsgiResponse(repr(sorted(values.items())).encode())

    async def one():
        return 1

    endpoint.__signature__ = inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=Depends(one))
            for name in ("ﬁ", "__debug__", "ok")
        ]
    )

    response = await run(get(endpoint))

    assert eval(response.body) == [("__debug__", 1), ("ok", 1), ("ﬁ", 1)]


def test_no_name_of_ours_can_be_a_users():
    with pytest.raises(ValueError, match="may be a user's name"):
        Writer("", value__x=1)
