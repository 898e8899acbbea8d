"""HTTP routes that FastStream's generator leaves out of the AsyncAPI document.

It names a channel by the letters of its path, so that of several handlers at one path, or at paths
that differ in other characters only, the last one overwrites the others (0.7.0 - 0.7.8).
"""

import re
from collections.abc import Iterable
from typing import Any

from faststream_integrations._faststream import UpstreamHttpHandler

__all__ = ("add_missing_routes",)


def add_missing_routes(
    document: dict[str, Any], http_handlers: Iterable[tuple[str, UpstreamHttpHandler]]
) -> None:
    """Add to a document the routes that it lacks.

    Args:
        document: An AsyncAPI document of version 2.6.0 or 3.0.0; it is changed.
        http_handlers: The paths and handlers of the specification.
    """
    handlers = [(path, handler) for path, handler in http_handlers if handler.include_in_schema]
    if "operations" in document or str(document.get("asyncapi", "")).startswith("3."):
        _add_to_3_0(document, handlers)
    else:
        _add_to_2_6(document, handlers)


def _add_to_3_0(document: dict[str, Any], handlers: list[tuple[str, UpstreamHttpHandler]]) -> None:
    channels, operations = document["channels"], document["operations"]
    shown = {
        (channels[channel]["address"], binding["method"])
        for operation in operations.values()
        if (binding := operation.get("bindings", {}).get("http"))
        and (channel := operation["channel"]["$ref"].rpartition("/")[2]) in channels
    }
    for path, handler in handlers:
        method = next((m for m in handler.methods if m != "HEAD"), "HEAD")
        if (path, method) in shown:
            continue
        name = f"{re.sub('[^A-Za-z0-9]+', '_', path).strip('_')}_{method}:HttpChannel"
        number = 1
        while name in channels:
            number += 1
            name = f"{name.partition(':')[0]}:{number}:HttpChannel"
        channels[name] = {"address": path, "messages": {}}
        if handler.description:
            channels[name]["description"] = handler.description
        operations[name] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{name}"},
            "bindings": {"http": {"method": method, "bindingVersion": "0.3.0"}},
        }


def _add_to_2_6(document: dict[str, Any], handlers: list[tuple[str, UpstreamHttpHandler]]) -> None:
    # A channel has one operation here, so it names the methods of all handlers.
    methods: dict[str, list[str]] = {}
    for path, handler in handlers:
        methods.setdefault(path, []).extend(handler.methods)
    for path, names in methods.items():
        binding = document["channels"][path]["subscribe"]["bindings"]["http"]
        binding["method"] = ", ".join(dict.fromkeys(names))
