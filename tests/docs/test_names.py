"""Public names are where the documentation says, and importing them costs what it says."""

import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import metadata

import faststream.asgi
import pytest

from tests.docs.examples import ROOT

NAMES = {
    "faststream_integrations": (
        "AsgiFastStream",
        "AsgiResponse",
        "AsyncAPIRoute",
        "Body",
        "Cookie",
        "FastStream",
        "Header",
        "JSONResponse",
        "Path",
        "Query",
        "Request",
        "RequestError",
        "broker_lifespan",
        "delete",
        "get",
        "make_asyncapi_asgi",
        "make_liveness_asgi",
        "make_ping_asgi",
        "make_readiness_asgi",
        "patch",
        "post",
        "put",
    ),
    "faststream_integrations.asgi": (
        *faststream.asgi.__all__,
        "Body",
        "Cookie",
        "JSONResponse",
        "Path",
        "as_asgi",
        "delete",
        "patch",
        "put",
    ),
    "faststream_integrations.asgi.types": ("ASGIApp", "Receive", "Scope", "Send", "UserApp"),
    "faststream_integrations.asyncapi": (
        "AsyncAPIRoute",
        "DryRunLimits",
        "TryItOut",
        "is_dry_run",
        "make_asyncapi_asgi",
    ),
    "faststream_integrations.fastapi": ("Context", "Depends", "FastStreamRouter", "Logger"),
    "faststream_integrations.litestar": ("FastStreamPlugin", "inject"),
    "faststream_integrations.testing": ("NatsServer", "asgi_client", "nats_server"),
}


@pytest.mark.parametrize("module", NAMES)
def test_module_has_its_public_names(module):
    imported = import_module(module)
    assert set(NAMES[module]) - set(imported.__all__) == set()
    for name in imported.__all__:
        assert getattr(imported, name) is not None


@pytest.mark.parametrize("module", NAMES)
def test_every_public_name_is_in_the_reference(module):
    page = (ROOT / "docs" / "reference.md").read_text()
    whole = set(import_module("faststream_integrations.health").__all__)  # on the page as a module
    named = {name for name in import_module(module).__all__ if re.search(rf"\b{name}\b", page)}
    assert set(import_module(module).__all__) - named - whole == set()


@pytest.mark.parametrize("module", ["faststream_integrations", "faststream_integrations.asgi"])
def test_importing_loads_no_web_framework(module):
    frameworks = {"fastapi", "litestar", "starlette", "httpx"}
    code = f"import sys, {module}; print(*(set(sys.modules) & {frameworks!r}))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []


def test_extras_of_the_readme_exist():
    readme = (ROOT / "README.md").read_text()
    named = set(",".join(re.findall(r"faststream-integrations\[(.+?)\]", readme)).split(","))
    assert named - set(metadata("faststream-integrations").get_all("Provides-Extra")) == set()
