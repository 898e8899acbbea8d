"""What the service does, whatever it is written with."""

from __future__ import annotations

import logging

from pydantic import BaseModel

__all__ = ("NUMBERS", "Order", "find_role", "logger", "summary")

logger = logging.getLogger("benchmarks")

NUMBERS = range(50)


class Order(BaseModel):
    id: int
    item: str
    price: float
    tags: list[str]


def find_role(user: str) -> str:
    return "admin" if user == "ann" else "guest"


def summary(limit: int, tags: list[str], user: str, role: str = "guest") -> bytes:
    return f"{role} {user} {limit} {tags[-1]}".encode()
