"""A library on Litestar: Redis streams, a controller, providers, a page for librarians only."""

import os
import uuid
from dataclasses import dataclass
from typing import Annotated, Any

from faststream import Depends, Logger
from faststream.redis import RedisBroker, StreamSub
from litestar import Controller, Litestar, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotAuthorizedException, NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.params import FromPath

from faststream_integrations import Header, RequestError, make_readiness_asgi
from faststream_integrations import get as handles_get
from faststream_integrations.litestar import FastStreamPlugin, inject

STREAM = os.environ.get("STREAM", "library")
LIBRARIANS = {"ada", "grace"}

broker = RedisBroker(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))


@dataclass
class Loan:
    id: str
    book: str
    reader: str


class Shelf:
    """Stands for a database."""

    def __init__(self) -> None:
        self.lent: dict[str, Loan] = {}


shelf = Shelf()


# Messages


@broker.subscriber(stream=StreamSub(STREAM, group="library", consumer="desk"))
async def lend(loan: Loan, logger: Logger) -> None:
    shelf.lent[loan.id] = loan
    logger.info("Lent %s to %s", loan.book, loan.reader)


# Requests


def read_reader(x_reader: Annotated[str, Header(default="")]) -> str:
    """FastStream's dependency, for its handlers and for Litestar's."""
    if not x_reader:
        raise RequestError(401, "Who are you?", headers={"WWW-Authenticate": "Reader"})
    return x_reader


Reader = Annotated[str, Depends(read_reader)]


async def provide_shelf(state: State) -> Shelf:
    """Litestar's provider, for both as well."""
    found: Shelf = state["shelf"]
    return found


class Loans(Controller):
    path = "/loans"

    @post("/{book:str}")
    @inject
    async def borrow(
        self,
        book: FromPath[str],
        reader: Reader,
        broker: NamedDependency[RedisBroker],
        logger: Logger,
    ) -> Loan:
        loan = Loan(uuid.uuid4().hex, book, reader)
        await broker.publish(loan, stream=STREAM)
        logger.info("%s wants %s", reader, book)
        return loan

    @get("/{loan_id:str}")
    async def read(self, loan_id: FromPath[str], shelf: NamedDependency[Shelf]) -> Loan:
        if loan_id not in shelf.lent:
            raise NotFoundException("No such loan")
        return shelf.lent[loan_id]


@handles_get
async def mine(reader: Reader, shelf: Shelf) -> list[Loan]:
    return [loan for loan in shelf.lent.values() if loan.reader == reader]


# The application


def librarians_only(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    if connection.headers.get("x-reader") not in LIBRARIANS:
        raise NotAuthorizedException


public = FastStreamPlugin(
    broker, asgi_routes=[("/mine", mine), ("/ready", make_readiness_asgi(broker))]
)
internal = FastStreamPlugin(
    broker,
    asyncapi_path="/asyncapi",
    specification=public.specification,
    guards=[librarians_only],
)

app = Litestar(
    [Loans],
    dependencies={"shelf": Provide(provide_shelf)},
    openapi_config=OpenAPIConfig(title="Library", version="1.2.0"),
    plugins=[public, internal],
    state=State({"shelf": shelf}),
)
