"""The options of `FastStreamRouter` are those of the installed FastAPI's `APIRouter`."""

import inspect
from typing import Any, get_type_hints

import fastapi
import pytest
from fastapi import APIRouter
from faststream.nats import NatsBroker

from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.fastapi.options import RouterOptions
from faststream_integrations.lifespan import LimitOptions

# The newest that the options were compared with; a later one may have more.
COMPARED = (0, 165)

OWN = {*LimitOptions.__annotations__}
PARAMETERS = inspect.signature(APIRouter.__init__).parameters.keys() - {"self", "lifespan"}
OPTIONS = get_type_hints(RouterOptions).keys() - OWN
VERSION = tuple(int(part) for part in fastapi.__version__.split(".")[:2])


def test_every_option_of_apirouter_has_a_type():
    assert PARAMETERS <= OPTIONS


@pytest.mark.skipif(VERSION != COMPARED, reason="an older FastAPI has fewer, a newer one may")
def test_every_option_is_one_of_apirouter():
    assert PARAMETERS == OPTIONS


def test_every_option_is_described():
    for name in OPTIONS:
        assert f"\n    {name}: " in inspect.getdoc(RouterOptions)


@pytest.mark.parametrize("wrong", ["prefx", "dependecies", "startup_timeot", "asgi_route"])
def test_wrong_name_is_refused(wrong):
    options: dict[str, Any] = {wrong: None}
    with pytest.raises(TypeError, match=f"unexpected.* argument '{wrong}'"):
        FastStreamRouter(NatsBroker(), **options)


def test_wrong_limit_is_refused():
    with pytest.raises(ValueError, match="startup_timeout"):
        FastStreamRouter(NatsBroker(), startup_timeout=-1)


async def test_every_option_reaches_apirouter(monkeypatch):
    """What the type has is passed on, whatever it is."""
    seen = {}

    def init(self, **options):
        seen.update(options)
        self.route_class, self.include_in_schema = fastapi.routing.APIRoute, True
        self.prefix, self.routes = "", []

    monkeypatch.setattr(APIRouter, "__init__", init)
    given = {name: object() for name in OPTIONS - {"dependencies"}}
    FastStreamRouter(NatsBroker(), **given)
    assert {name: seen[name] for name in given} == given
