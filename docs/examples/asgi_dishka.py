from collections.abc import AsyncIterator
from typing import Annotated

from dishka import AsyncContainer, Provider, Scope, make_async_container
from faststream import Context, Depends

from faststream_integrations import AsgiFastStream, JSONResponse, get


class Prices:
    def of(self, drink: str) -> float:
        return {"tea": 2.8}[drink]


provider = Provider(scope=Scope.REQUEST)
provider.provide(Prices)
container = make_async_container(provider)


async def open_scope(
    container: Annotated[AsyncContainer, Context("container")],
) -> AsyncIterator[AsyncContainer]:
    async with container() as scope:
        yield scope


async def find_prices(scope: Annotated[AsyncContainer, Depends(open_scope)]) -> Prices:
    return await scope.get(Prices)


@get
async def tea(prices: Annotated[Prices, Depends(find_prices)]) -> JSONResponse:
    return JSONResponse({"tea": prices.of("tea")})


app = AsgiFastStream(asgi_routes=[("/tea", tea)], after_shutdown=[container.close])
app.context.set_global("container", container)
