"""The README is true: its code, its links and its map."""

import re
from importlib.metadata import metadata
from pathlib import PurePosixPath

import pytest

from faststream_integrations.testing import asgi_client
from tests.docs.examples import EXAMPLES, ROOT, example

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_every_block_is_an_example_that_is_tested():
    names = []
    for block in BLOCKS:
        title, _, code = block.partition("\n")
        names.append(title.removeprefix("# "))
        assert (EXAMPLES / "three_hosts" / names[-1]).read_text() == code
    assert sorted(names) == sorted(path.name for path in EXAMPLES.glob("three_hosts/*.py"))


@pytest.mark.parametrize(
    "name", ["asgi_app.py", "fastapi_app.py", "litestar_app.py", "starlette_app.py"]
)
async def test_service_is_the_same_in_every_host(name):
    with example(f"three_hosts/{name}") as module:
        async with asgi_client(module.app, module.broker) as client:
            assert (await client.get("/health")).status_code == 204
            placed = await client.post("/orders", json={"id": 7, "drink": "tea"})
            assert (placed.status_code, placed.json()) == (202, {"id": 7, "drink": "tea"})
            assert (await client.get("/orders/7")).json() == {"id": 7, "drink": "tea"}
            assert (await client.get("/orders/8")).status_code == 404
            assert (await client.get("/orders/x")).status_code == 422
            page = await client.get("/asyncapi", follow_redirects=True)
            assert page.status_code == 200
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "AsyncAPI" in page.text


async def test_dependency_is_one_in_endpoint_and_subscriber():
    with example("three_hosts/fastapi_subscriber.py") as module:
        async with asgi_client(module.app, module.broker) as client:
            assert (await client.get("/me", headers={"X-User": "ada"})).json() == "ada"
            reply = await module.broker.request("tea", "orders.paid", headers={"x-user": "ada"})
            assert await reply.decode() == "ada paid for tea"


HERE = "https://github.com/faststream-integrations/faststream-integrations"
RAW = HERE.replace("github.com", "raw.githubusercontent.com")


def test_links_are_absolute_and_lead_to_files_of_the_repository():
    """The package index shows the page, too, and has nothing beside it."""
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert [link for link in links if not link.startswith(("https://", "http://127.0.0.1"))] == []
    here = {link for link in links if link.startswith((f"{HERE}/blob/main/", f"{RAW}/main/"))}
    assert here == {link for link in links if link.startswith((f"{HERE}/", f"{RAW}/"))}
    for link in here:
        path, _, anchor = link.partition("/main/")[2].partition("#")
        assert (ROOT / path).is_file(), link
        headings = (
            re.findall(r"^#+ (.*)", (ROOT / path).read_text(), re.MULTILINE) if anchor else []
        )
        slugs = {
            re.sub(r"[^\w -]", "", each).strip().lower().replace(" ", "-") for each in headings
        }
        assert not anchor or anchor in slugs, link


def test_repository_is_the_one_of_the_metadata():
    urls = metadata("faststream-integrations").get_all("Project-URL")
    assert f"Source, {HERE}" in urls


def test_map_names_every_module_and_nothing_else():
    """A new module wants a line in the map; one that is gone, none."""
    tree = README.partition("## Map of the code")[2].split("```")[1]
    folders: list[str] = []
    named = set()
    for line in tree.strip("\n").splitlines():
        indent, name = re.match(r"( *)(\S+)", line).groups()
        del folders[len(indent) // 2 :]
        named.add("".join(folders) + name.rstrip("/"))
        folders.append(name)
    assert {path for path in named if not (ROOT / path).exists()} == set()

    # A folder that is opened shows all that is in it.
    opened = {str(PurePosixPath(path).parent) for path in named} - {"."}
    python = {
        path.relative_to(ROOT).as_posix()
        for folder in opened
        for path in (ROOT / folder).iterdir()
        if (path.is_dir() and (path / "__init__.py").exists())
        or (path.suffix == ".py" and not (folder == "tests" or path.name == "__init__.py"))
    }
    assert python - named == set()
