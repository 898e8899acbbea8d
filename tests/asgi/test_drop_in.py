"""A drop-in for `faststream.asgi`: its modules, its names, and `FastStream.as_asgi`."""

import importlib
import inspect
import pkgutil

import faststream
import faststream.asgi
import pytest
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI

import faststream_integrations
from faststream_integrations import AsgiFastStream, FastStream, asgi
from faststream_integrations.asgi import as_asgi

MODULES = [module.name for module in pkgutil.iter_modules(faststream.asgi.__path__)]

# What has no counterpart: how upstream's own application runs, and what only it needs.
INTERNAL = {
    "app": {"CliRunState", "OuterRunState", "ServerState", "cast_uvicorn_params"},
    "handlers": {"GetHandler", "PostHandler"},
    "factories": {"TryItOutProcessor", "make_try_it_out_handler"},
}


def public_names(module):
    """What a module defines or lists, and does not only import."""
    listed = set(getattr(module, "__all__", ()))
    defined = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    }
    return listed | defined


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_its_counterpart(name):
    theirs = importlib.import_module(f"faststream.asgi.{name}")
    ours = importlib.import_module(f"faststream_integrations.asgi.{name}")
    missing = public_names(theirs) - set(dir(ours)) - INTERNAL.get(name, set())
    assert missing == set()


@pytest.mark.parametrize(
    ("module", "name", "advice"),
    [
        ("factories", "TryItOutProcessor", "write TryItOut of"),
        ("factories", "make_try_it_out_handler", "write TryItOut of"),
        ("handlers", "GetHandler", "write get"),
        ("handlers", "PostHandler", "write post"),
    ],
)
def test_name_without_a_counterpart_says_what_there_is(module, name, advice):
    with pytest.raises(ImportError, match=f"{name}.*{advice}"):
        exec(f"from faststream_integrations.asgi.{module} import {name}")


def test_names_of_the_package_are_there():
    assert set(faststream.asgi.__all__) <= set(asgi.__all__)
    assert set(faststream_integrations.__all__) >= set(asgi.__all__) - {"HttpHandler", "as_asgi"}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (faststream.asgi.AsgiFastStream, AsgiFastStream),
        (faststream.FastStream, FastStream),
        (faststream.FastStream.as_asgi, FastStream.as_asgi),
        (faststream.asgi.AsgiFastStream.from_app, AsgiFastStream.from_app),
    ],
)
def test_arguments_are_those_of_upstream_in_their_order(theirs, ours):
    wanted = list(inspect.signature(theirs).parameters)
    assert list(inspect.signature(ours).parameters)[: len(wanted)] == wanted


def test_faststream_application_makes_ours():
    broker = NatsBroker()
    service = FastStream(broker, specification=AsyncAPI(title="Orders"))
    app = service.as_asgi(asyncapi_path="/asyncapi", startup_timeout=2.0)
    assert type(app) is AsgiFastStream
    assert isinstance(service, faststream.FastStream)
    assert (app.schema.title, app.brokers) == ("Orders", [broker])
    assert app.provider is service.provider
    assert app.context is service.context
    assert type(as_asgi(faststream.FastStream(broker))) is AsgiFastStream


def test_provider_of_the_application_is_where_overrides_go():
    assert AsgiFastStream(NatsBroker()).provider is not None
    service = FastStream(NatsBroker())
    assert service.provider is service.config.provider
