"""The examples on the documentation's page about the AsyncAPI page."""

import runpy
from pathlib import Path
from typing import Any

import httpx

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def client(example: str) -> httpx.AsyncClient:
    app: Any = runpy.run_path(str(EXAMPLES / example))["app"]
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_page_is_mounted_in_starlette() -> None:
    async with client("asyncapi_mounted.py") as http:
        page = await http.get("/docs/asyncapi", follow_redirects=True)
        assert "<title>Orders | AsyncAPI</title>" in page.text
        document = await http.get("/docs/asyncapi/asyncapi.json")
        assert "orders:Accept" in document.json()["channels"]


async def test_page_has_options() -> None:
    async with client("asyncapi_options.py") as http:
        assert "Orders" in (await http.get("/docs/asyncapi")).text
        assert (await http.get("/docs/asyncapi.json")).json()["info"]["version"] == "1.4.0"
        assert (await http.post("/docs/asyncapi/try", json={})).status_code == 404
