"""The rules: what is different here, for each package that a project may come from."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from faststream_integrations.migrate.findings import Edit, Finding, Level
from faststream_integrations.migrate.imports import move
from faststream_integrations.migrate.project import (
    Function,
    Module,
    Parameter,
    Project,
    called,
    parameters,
)

__all__ = ("examine",)

BROKERS = "nats|rabbit|kafka|confluent|redis|mqtt"
ROUTER = re.compile(rf"faststream\.({BROKERS})\.fastapi\.(\w+)Router")
OLD_NAME = re.compile(rf"faststream\.({BROKERS})\.fastapi(?:\.(\w+))?")

OF_ASGI = {
    *("AsgiFastStream", "AsgiResponse", "AsyncAPIRoute", "Header", "HttpHandler", "JSONResponse"),
    *("Query", "Request", "get", "make_asyncapi_asgi", "make_ping_asgi", "post"),
}
"""The names of ``faststream.asgi`` and its modules that ``faststream_integrations.asgi`` has."""

OF_ASGI_TYPES = {"ASGIApp", "Message", "Receive", "Scope", "Send", "UserApp"}

OF_THE_ROUTER = {
    *("callbacks", "default", "default_response_class", "dependencies", "deprecated"),
    *("generate_unique_id_function", "include_in_schema", "lifespan", "on_shutdown", "on_startup"),
    *("prefix", "redirect_slashes", "responses", "route_class", "routes", "specification", "tags"),
}
"""The arguments of upstream's router that `FastStreamRouter` takes; the rest are the broker's."""

LEFT_OUT = {"dependency_overrides_provider", "setup_state"}
"""The arguments of upstream's router that nothing is needed for."""

REFUSED = {
    "fastapi.Security": "write a dependency with `Depends` that reads a `Header()` of the message",
    "fastapi.security.SecurityScopes": "leave it out, a message has no scopes",
    "fastapi.Response": "return a `faststream.Response`",
    "fastapi.responses.Response": "return a `faststream.Response`",
    "fastapi.WebSocket": "leave it out, a message comes by no websocket",
    "fastapi.Query": "leave the marker out, a parameter without one is of the body",
    "fastapi.Body": "leave the marker out, a parameter without one is of the body",
    "fastapi.Form": "leave the marker out, a parameter without one is of the body",
    "fastapi.Cookie": "write `Header()`",
    "fastapi.File": "write `bytes` as the type, without a marker",
}
"""What means nothing in a message, and what to do instead."""

READING = {"fastapi.Query", "fastapi.Body", "fastapi.Cookie", "fastapi.Form", "fastapi.File"}
"""What a dependency of a subscriber may have all the same, with a default."""

OF_FASTSTREAM_FASTAPI = {
    "FastStreamAPI": "`FastStreamAPI` is FastStreamRouter of faststream_integrations.fastapi, "
    "which the FastAPI application includes",
    "AsyncAPIConfig": "`AsyncAPIConfig` is AsyncAPIRoute of faststream_integrations.asyncapi",
    "StreamMessage": "`StreamMessage`: `fastapi.Request`, or the annotation of the broker, as "
    "NatsMessage of faststream.nats.annotations",
}

OF_LITESTAR_FASTSTREAM = {
    "FastStreamPlugin": "FastStreamPlugin of faststream_integrations.litestar takes the brokers "
    "themselves: FastStreamPlugin(broker, asyncapi_path=...)",
    "FastStreamConfig": "there is no `FastStreamConfig`: its values are arguments of "
    "FastStreamPlugin",
    "BrokerConfig": "there is no `BrokerConfig`: give the broker to FastStreamPlugin; `name` is "
    "its `dependency_key`, hooks are those of FastStream(broker)",
    "Brokers": "there is no `Brokers`: `plugin.brokers`, or a dependency for each broker, "
    "`dependency_key=`",
    "subscriber": "`@subscriber(...)` is `@broker.subscriber(...)`",
    "publisher": "`@publisher(...)` is `@broker.publisher(...)`",
    "LoggingMiddleware": "`LoggingMiddleware`: FastStream's brokers log each message themselves; "
    "leave it out",
    "OtelMiddleware": "`OtelMiddleware`: NatsTelemetryMiddleware of faststream.nats.opentelemetry, "
    "or the one of your broker",
    "monitored": "`monitored`: the telemetry middleware of faststream",
}

SCALARS = {
    *("bool", "bytes", "float", "int", "str", "Any", "UUID", "Decimal"),
    *("date", "datetime", "time", "timedelta"),
}


def examine(project: Project) -> list[Finding]:
    """Find everything that a project has to change or to look at.

    Args:
        project: The project.

    Returns:
        The findings, by file and line.
    """
    found: list[Finding] = []
    of_fastapi = any(
        origin.startswith("faststream_fastapi")
        for module in project.modules
        for origin in module.imported.values()
    )
    for module in project.modules:
        found += _imports(module)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                found += _call(module, node)
            elif isinstance(node, ast.Attribute):
                found += _attribute(module, node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found += _function(module, node, of_fastapi=of_fastapi)
    return sorted(set(found), key=lambda each: (each.path, each.line, each.column, each.message))


def _finding(
    module: Module,
    node: ast.expr | ast.stmt | ast.arg | ast.alias,
    message: str,
    level: Level = Level.CHANGE,
    edits: tuple[Edit, ...] = (),
) -> Finding:
    return Finding(module.path, node.lineno, node.col_offset + 1, level, message, edits)


# Imports


def _imports(module: Module) -> Iterator[Finding]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield from _import_from(module, node)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from _import(module, node, alias)


def _import(module: Module, node: ast.Import, alias: ast.alias) -> Iterator[Finding]:
    name = alias.name
    if name == "faststream.asgi" and alias.asname:
        start, _ = module.span(alias)
        message = "import faststream_integrations.asgi in place of faststream.asgi"
        edit = Edit(start, start + len(name), "faststream_integrations.asgi")
        plain = module.source[edit.start : edit.end] == name.encode()
        yield _finding(module, node, message, edits=(edit,) if plain else ())
    elif name.startswith("faststream.asgi"):
        yield _finding(
            module, node, f"`{name}`: import the names from faststream_integrations.asgi"
        )
    elif OLD_NAME.match(name) or name.partition(".")[0] in (
        "faststream_fastapi",
        "litestar_faststream",
    ):
        yield _finding(module, node, f"`{name}`: import the names one by one, and run this again")


def _import_from(module: Module, node: ast.ImportFrom) -> Iterator[Finding]:
    answers = {alias: _imported(module, node.module or "", alias) for alias in node.names}
    edits = move(module, node, {a: to.module for a, to in answers.items() if isinstance(to, Moved)})
    for alias, answer in answers.items():
        if isinstance(answer, Moved):
            message = f"import `{alias.name}` from {answer.module}{answer.why}"
            yield _finding(module, alias, message, edits=edits)
        elif answer is not None:
            yield _finding(module, alias, answer)


@dataclass(frozen=True)
class Moved:
    """A name that another module has."""

    module: str
    why: str = ""


def _imported(module: Module, package: str, alias: ast.alias) -> Moved | str | None:
    """Tell where an imported name is now, or what to do about it; None where it stays."""
    name = alias.name
    if package == "faststream" and name == "asgi":
        return Moved("faststream_integrations")
    if package == "faststream" and name == "FastStream" and _becomes_asgi(module, alias):
        why = ": its as_asgi() gives the AsgiFastStream of this package"
        return Moved("faststream_integrations", why)
    if package == "faststream.asgi" or package.startswith("faststream.asgi."):
        if name in OF_ASGI:
            return Moved("faststream_integrations.asgi")
        if name in OF_ASGI_TYPES:
            return Moved("faststream_integrations.asgi.types")
        return f"`{name}` of {package} is not in this package"
    if old := OLD_NAME.fullmatch(package):
        return _name_of_a_router(module, alias, old[1])
    if package.partition(".")[0] == "faststream_fastapi":
        if name == "Context":
            return Moved("faststream_integrations.fastapi")
        return OF_FASTSTREAM_FASTAPI.get(name, f"`{name}` is not in this package")
    if package.partition(".")[0] == "litestar_faststream":
        return OF_LITESTAR_FASTSTREAM.get(name, f"`{name}` is not in this package")
    return None


def _becomes_asgi(module: Module, alias: ast.alias) -> bool:
    """Tell whether ``as_asgi`` of the class, or of what it makes, is called anywhere."""
    local = alias.asname or alias.name
    made = {
        text
        for text, value in module.assigned.items()
        if isinstance(value, ast.Call) and ast.unparse(value.func) == local
    }
    for other in module.project.modules:
        for node in ast.walk(other.tree):
            if not (isinstance(node, ast.Attribute) and node.attr == "as_asgi"):
                continue
            if other is module and ast.unparse(called(node.value)) in {local, *made}:
                return True
            if other.value_of(node.value)[0] is module:
                return True
    return False


def _name_of_a_router(module: Module, alias: ast.alias, broker: str) -> Moved | str:
    name = alias.name
    if name in ("Context", "Logger"):
        return Moved("faststream_integrations.fastapi")
    if name.endswith("Router"):
        return (
            f"`{name}` is a broker and a router here: "
            f"{name.removesuffix('Router')}Broker of faststream.{broker}, "
            "FastStreamRouter of faststream_integrations.fastapi"
        )
    if _is_of_subscribers(module, alias):
        return Moved("faststream" if name == "ContextRepo" else f"faststream.{broker}.annotations")
    return (
        f"`{name}`: in a subscriber that of faststream.{broker}.annotations, in an endpoint "
        f"`Annotated[{name}, Context(...)]` with Context of faststream_integrations.fastapi"
    )


def _is_of_subscribers(module: Module, alias: ast.alias) -> bool:
    """Tell whether all uses of a name are annotations of subscribers."""
    local = alias.asname or alias.name
    uses = [
        node for node in ast.walk(module.tree) if isinstance(node, ast.Name) and node.id == local
    ]
    inside = [
        node
        for function in module.functions.values()
        if _subscriptions(module, function)
        for argument in (*function.args.args, *function.args.kwonlyargs)
        if argument.annotation is not None
        for node in ast.walk(argument.annotation)
        if node in uses
    ]
    return len(uses) == len(inside) > 0


# Calls


def _call(module: Module, node: ast.Call) -> Iterator[Finding]:
    origin = module.origin(node.func)
    if router := ROUTER.fullmatch(origin):
        yield from _router(module, node, router[1], router[2])
    elif origin == "faststream_fastapi.FastStreamAPI":
        yield from _faststream_api(module, node)
    elif origin == "litestar_faststream.FastStreamPlugin":
        yield from _litestar_plugin(module, node)
    elif origin == "fastapi.FastAPI":
        yield from _lifespan_of_a_router(module, node)
    elif origin == "faststream.asgi.AsgiFastStream":
        yield _finding(
            module,
            node,
            "the startup is complete when the brokers consume, and fails when they cannot be "
            'reached; on_unavailable="retry" starts without them',
            Level.CHECK,
        )
    elif re.fullmatch(rf"faststream\.({BROKERS})(\.\w+)?\.Test\w+Broker", origin) and node.args:
        yield from _test_broker(module, node, node.args[0])
    if isinstance(node.func, ast.Attribute):
        yield from _method(module, node, node.func)


def _keywords(node: ast.Call) -> dict[str, str]:
    return {each.arg: ast.unparse(each.value) for each in node.keywords if each.arg}


def _router(module: Module, node: ast.Call, package: str, prefix: str) -> Iterator[Finding]:
    options = _keywords(node)
    starred = [ast.unparse(each.value) for each in node.keywords if each.arg is None]
    path = options.pop("schema_url", "'/asyncapi'")
    for name in LEFT_OUT:
        options.pop(name, None)
    tags = options.pop("specification_tags", None)
    router = [f"{name}={options.pop(name)}" for name in list(options) if name in OF_THE_ROUTER]
    if path != "None":
        router.append(f"asyncapi_path={path}")
    broker = [
        *(ast.unparse(each) for each in node.args),
        *(f"{name}={value}" for name, value in options.items()),
        *([f"tags={tags}"] if tags else []),
        *(f"**{each}" for each in starred),
    ]
    yield _finding(
        module,
        node,
        f"write `broker = {prefix}Broker({', '.join(broker)})` and "
        f"`FastStreamRouter({', '.join(['broker', *router])})`",
    )
    if "dependencies" in _keywords(node):
        yield _finding(
            module,
            node,
            f"`dependencies` of the router are for endpoints here; for subscribers too: "
            f"{prefix}Broker(dependencies=[...])",
            Level.CHECK,
        )


def _faststream_api(module: Module, node: ast.Call) -> Iterator[Finding]:
    options = _keywords(node)
    application = options.pop("application", "app")
    arguments = [ast.unparse(each) for each in node.args]
    if options.pop("safe_connection", "False") == "True":
        arguments.append("on_unavailable='retry'")
    for name in ("connection_hook", "context"):
        if name in options:
            where = "a hook of FastStream(broker)" if name == "connection_hook" else "the broker"
            yield _finding(module, node, f"`{name}` goes to {where}")
            del options[name]
    arguments += [f"{name}={value}" for name, value in options.items()]
    yield _finding(
        module,
        node,
        f"write `{application}.include_router(FastStreamRouter({', '.join(arguments)}))`, and let "
        f"the server run `{application}` itself",
    )


def _litestar_plugin(module: Module, node: ast.Call) -> Iterator[Finding]:
    brokers, options = [], []
    for call in ast.walk(node):
        if not isinstance(call, ast.Call):
            continue
        origin, given = module.origin(call.func), _keywords(call)
        if origin == "litestar_faststream.BrokerConfig":
            if call.args:
                brokers.append(ast.unparse(call.args[0]))
            if "name" in given:
                options.append(f"dependency_key={given['name']}")
            if given.get("publish_only") == "True":
                yield _finding(
                    module,
                    call,
                    "there is no `publish_only`: an application without subscribers consumes "
                    "nothing",
                )
            if "handlers" in given:
                yield _finding(module, call, "`handlers`: decorate them with `@broker.subscriber`")
        elif origin == "litestar_faststream.FastStreamConfig":
            title = [f"{n}={given[n]}" for n in ("title", "version", "description") if n in given]
            if title:
                options.append(f"specification=AsyncAPI({', '.join(title)})")
            if given.get("asyncapi_url", "None") != "None":
                options.append(f"asyncapi_path={given['asyncapi_url']}")
    arguments = ", ".join([*(brokers or ["broker"]), *dict.fromkeys(options)])
    yield _finding(module, node, f"write `FastStreamPlugin({arguments})`")


def _lifespan_of_a_router(module: Module, node: ast.Call) -> Iterator[Finding]:
    for keyword in node.keywords:
        value = keyword.value
        if (
            keyword.arg == "lifespan"
            and isinstance(value, ast.Attribute)
            and value.attr == "lifespan_context"
        ):
            yield _finding(
                module,
                value,
                f"leave `lifespan={ast.unparse(value)}` out: include_router() starts the brokers",
            )


def _test_broker(module: Module, node: ast.Call, broker: ast.expr) -> Iterator[Finding]:
    if isinstance(broker, ast.Attribute) and broker.attr == "broker" and _router_of(module, broker):
        yield _finding(
            module,
            node,
            "what FastAPI injects needs the running application: `async with asgi_client(app, "
            "broker) as client` of faststream_integrations.testing, in place of the test broker "
            "and TestClient",
        )


def _router_of(module: Module, node: ast.expr) -> bool:
    """Tell whether ``node`` is an attribute of one of upstream's routers."""
    if not isinstance(node, ast.Attribute):
        return False
    made = module.made_by(node.value)
    return made is not None and ROUTER.fullmatch(made[0]) is not None


def _method(module: Module, node: ast.Call, method: ast.Attribute) -> Iterator[Finding]:
    name = ast.unparse(method.value)
    if method.attr == "include_router" and _router_of(module, method) and node.args:
        inner = module.made_by(node.args[0])
        if inner is not None and ROUTER.fullmatch(inner[0]):
            yield _finding(
                module,
                node,
                f"brokers have routers of their own: `broker.include_router(...)` with a "
                f"{inner[0].rpartition('.')[2]} of faststream, not of its fastapi module",
            )
    elif method.attr in ("after_startup", "on_broker_shutdown") and _router_of(module, method):
        hook = "after_startup" if method.attr == "after_startup" else "on_shutdown"
        yield _finding(
            module,
            node,
            f"`{name}.{method.attr}`: `@application.{hook}` of `application = FastStream(broker)`, "
            "which FastStreamRouter takes in place of the broker",
        )


def _attribute(module: Module, node: ast.Attribute) -> Iterator[Finding]:
    if node.attr == "broker" and _router_of(module, node):
        yield _finding(module, node, f"`{ast.unparse(node)}` is the broker that you made: `broker`")


# Functions


def _subscriptions(module: Module, function: Function) -> list[ast.Call]:
    """The decorators that make a subscriber of a function."""
    return [
        each
        for each in function.decorator_list
        if isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and each.func.attr == "subscriber"
    ]


def _function(module: Module, function: Function, *, of_fastapi: bool) -> Iterator[Finding]:
    """Look at handlers and at subscribers.

    Args:
        module: The file.
        function: The function.
        of_fastapi: Whether brokers' own subscribers were those of ``faststream_fastapi``.
    """
    for decorator in function.decorator_list:
        target = called(decorator)
        if module.origin(target) in ("faststream.asgi.get", "faststream.asgi.post"):
            yield from _handler(module, function)
        if isinstance(target, ast.Attribute) and _router_of(module, target):
            if target.attr in ("subscriber", "publisher"):
                yield _finding(
                    module, decorator, f"`@{ast.unparse(target)}` is `@broker.{target.attr}`"
                )
            elif target.attr in ("after_startup", "on_broker_shutdown") and decorator is target:
                hook = "after_startup" if target.attr == "after_startup" else "on_shutdown"
                yield _finding(
                    module,
                    decorator,
                    f"`@{ast.unparse(target)}`: `@application.{hook}` of `application = "
                    "FastStream(broker)`, which FastStreamRouter takes in place of the broker; it "
                    "takes no application, and gives no state",
                )
    subscriptions = [
        each
        for each in _subscriptions(module, function)
        if of_fastapi or _router_of(module, each.func)
    ]
    if subscriptions:
        yield from _subscriber(module, function, subscriptions)


def _handler(module: Module, function: Function) -> Iterator[Finding]:
    for parameter in parameters(module, function):
        marker = parameter.origins.get("faststream.asgi.Header")
        if isinstance(marker, ast.Call) and not marker.args and "_" in parameter.name:
            sent = parameter.name.replace("_", "-")
            yield _finding(
                module,
                parameter.argument,
                f'`Header()` reads `{sent}` here; `Header("{parameter.name}")` reads the header '
                "with underscores, as before",
                Level.CHECK,
            )


def _subscriber(
    module: Module, function: Function, subscriptions: list[ast.Call]
) -> Iterator[Finding]:
    in_address = {
        name
        for subscription in subscriptions
        for node in ast.walk(subscription)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in re.findall(r"\{(\w+)\}", node.value)
    }
    for subscription in subscriptions:
        for keyword in subscription.keywords:
            if keyword.arg and keyword.arg.startswith("response_model"):
                yield _finding(
                    module,
                    keyword.value,
                    f"there is no `{keyword.arg}`: the return annotation is the model",
                )
    body = []
    for parameter in parameters(module, function):
        origins = parameter.origins
        refused = [
            origin
            for origin in (*origins, parameter.module.origin(parameter.annotation))
            if origin in REFUSED
        ]
        if refused:
            name = refused[0].rpartition(".")[2]
            message = f"`{name}` means nothing in a subscriber: {REFUSED[refused[0]]}"
            yield _finding(module, parameter.argument, message)
            if name in ("Query", "Body", "Form"):
                body.append(parameter)
        elif dependency := origins.get("fastapi.Depends"):
            yield from _dependency(parameter, dependency)
        elif parameter.markers or _is_special(parameter):
            continue
        elif parameter.name in in_address:
            yield _finding(
                module,
                parameter.argument,
                f"`{parameter.name}` is of the address: write "
                f"`Annotated[{_written(parameter)}, Path()]` with Path of faststream, or the body "
                "fills it",
            )
        else:
            body.append(parameter)
    yield from _payload(module, body)


def _is_special(parameter: Parameter) -> bool:
    """Tell whether the type of a parameter is not one of the body's."""
    origin = parameter.module.origin(parameter.annotation)
    return (
        origin in ("fastapi.Request", "fastapi.BackgroundTasks", "fastapi.requests.HTTPConnection")
        or origin.startswith(("starlette.", "faststream.", "faststream_"))
        or bool(OLD_NAME.match(origin))
    )


def _written(parameter: Parameter) -> str:
    return ast.unparse(parameter.annotation) if parameter.annotation else "str"


def _is_scalar(parameter: Parameter) -> bool:
    """Tell whether a parameter took a field of a JSON object by its name, in FastAPI's router."""
    if parameter.annotation is None:
        return True
    names = {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(parameter.annotation)
        if isinstance(node, ast.Name | ast.Attribute)
    } - {"Optional", "Union", "None", "typing", "datetime", "decimal", "uuid"}
    whole = {
        node.attr for node in ast.walk(parameter.annotation) if isinstance(node, ast.Attribute)
    }
    return (names | whole) <= SCALARS and not isinstance(parameter.annotation, ast.Constant)


def _payload(module: Module, body: list[Parameter]) -> Iterator[Finding]:
    if len(body) == 1 and _is_scalar(body[0]):
        parameter = body[0]
        yield _finding(
            module,
            parameter.argument,
            f"`{parameter.name}` alone is the whole body here; a JSON object no longer gives its "
            f"field `{parameter.name}`: for that write a model with the field",
            Level.CHECK,
        )
    models = [parameter for parameter in body if not _is_scalar(parameter)]
    if len(body) > 1 and len(models) == 1:
        yield _finding(
            module,
            models[0].argument,
            f"`{models[0].name}` is a key of the body here, beside the other parameters: "
            f'{{"{models[0].name}": {{...}}, ...}}; there its own fields stood beside them',
            Level.CHECK,
        )


def _dependency(
    parameter: Parameter, marker: ast.expr, seen: frozenset[str] = frozenset()
) -> Iterator[Finding]:
    """Look at the function of a ``Depends``: its parameters were filled from the body."""
    if not isinstance(marker, ast.Call):
        return
    given = [*marker.args, *(each.value for each in marker.keywords if each.arg == "dependency")]
    found = parameter.module.function_of(given[0] if given else parameter.annotation)
    if found is None or found[1].name in seen:
        return
    module, function = found
    for each in parameters(module, function):
        origins = each.origins
        refused = REFUSED.keys() & {*origins, each.module.origin(each.annotation)}
        reading = refused & READING
        if dependency := origins.get("fastapi.Depends"):
            yield from _dependency(each, dependency, seen | {function.name})
        elif refused - reading:
            name = refused.pop()
            yield _finding(
                module,
                each.argument,
                f"`{name.rpartition('.')[2]}` means nothing in a dependency of a subscriber: "
                f"{REFUSED[name]}",
            )
        elif (each.markers and not reading) or _is_special(each):
            continue
        elif each.default is None and not any(map(_has_default, origins.values())):
            yield _finding(
                module,
                each.argument,
                f"`{each.name}` of a dependency of a subscriber was read from the body, which "
                "dependencies do not see here: take it in the subscriber, or mark it as Header()",
            )
        else:
            yield _finding(
                module,
                each.argument,
                f"`{each.name}` of a dependency of a subscriber has its default here; there the "
                "body could set it",
                Level.CHECK,
            )


def _has_default(marker: ast.expr) -> bool:
    return isinstance(marker, ast.Call) and (
        bool(marker.args) or any(each.arg == "default" for each in marker.keywords)
    )
