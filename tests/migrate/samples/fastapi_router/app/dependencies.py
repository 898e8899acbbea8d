from typing import Annotated

from fastapi import Depends, Header, Query, Request, Response
from pydantic import BaseModel


class User(BaseModel):
    name: str


async def get_token(x_token: Annotated[str, Header()]) -> str:
    return x_token


async def get_user(
    token: Annotated[str, Depends(get_token)],
    request: Request,
    tenant: str,  # change: `tenant` of a dependency of a subscriber was read from the body
    limit: int = 10,  # check: `limit` of a dependency of a subscriber has its default here
    page: int = Query(1),  # check: `page` of a dependency
    size: int = Query(),  # change: `size` of a dependency
) -> User:
    return User(name=token)


async def set_cookie(response: Response) -> None:  # change: `Response` means nothing in a dependency
    response.set_cookie("seen", "1")


CurrentUser = Annotated[User, Depends(get_user)]
