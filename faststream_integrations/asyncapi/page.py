"""The page's HTML and the Content-Security-Policy that it is sent with."""

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypedDict
from urllib.parse import quote, urlsplit

from faststream.specification.asyncapi import site

from faststream_integrations.asyncapi.assets import Assets
from faststream_integrations.asyncapi.response import Representation
from faststream_integrations.types import Scope

__all__ = (
    "CSRF",
    "DEFAULT_OPTIONS",
    "Page",
    "PageLinks",
    "PageOptions",
    "check_options",
    "page_base",
)


class PageOptions(TypedDict, total=False):
    """What the page shows and where it finds things; every option may be left out.

    Upstream's addresses of public hosts, the defaults of its own route, mean the bundled files.
    """

    sidebar: bool
    """Show the table of contents (default: True)."""
    info: bool
    """Show title, version, description and links of the application (default: True)."""
    servers: bool
    """Show the brokers (default: True)."""
    operations: bool
    """Show the operations (default: True)."""
    messages: bool
    """Show the messages (default: True)."""
    schemas: bool
    """Show the schemas (default: True)."""
    errors: bool
    """Show errors of the document (default: True)."""
    expand_message_examples: bool
    """Show the messages' examples unfolded (default: True)."""
    asyncapi_js_url: str
    """Script in place of the bundled one: a build of this package's `ui/`."""
    asyncapi_css_url: str
    """Stylesheet in place of the bundled one."""
    try_it_out_plugin_url: str
    """Script that defines `AsyncApiTryItPlugin`; its panel takes the place of the bundled one."""
    try_it_out_url: str | None
    """Where the browser sends messages, in place of the application itself."""


DEFAULT_OPTIONS: PageOptions = {
    "sidebar": True,
    "info": True,
    "servers": True,
    "operations": True,
    "messages": True,
    "schemas": True,
    "errors": True,
    "expand_message_examples": True,
    "asyncapi_js_url": site.ASYNCAPI_JS_DEFAULT_URL,
    "asyncapi_css_url": site.ASYNCAPI_CSS_DEFAULT_URL,
    "try_it_out_plugin_url": site.ASYNCAPI_TRY_IT_PLUGIN_URL,
    "try_it_out_url": None,
}
CSRF = (("csrftoken", "x-csrftoken"), ("XSRF-TOKEN", "x-xsrf-token"))
"""Cookies by which hosts protect themselves against forged requests, and the headers that send
them back: those of Litestar, Starlette-CSRF and Django, and those of Angular's convention."""
_SHOWN = ("sidebar", "info", "servers", "operations", "messages", "schemas", "errors")


def check_options(owner: str, options: Mapping[str, Any]) -> None:
    """Raise TypeError for an option that the page does not have."""
    if unknown := options.keys() - DEFAULT_OPTIONS.keys():
        msg = f"{owner} has no option {', '.join(sorted(unknown))}."
        if "try_it_out_real_broker" in unknown:
            msg += " Write try_it_out=TryItOut(real_broker=True) instead."
        raise TypeError(msg)


@dataclass(frozen=True, kw_only=True)
class PageLinks:
    """Where the page finds what the application serves, relative to the folder of its files.

    Args:
        document: The document as JSON.
        yaml: The document as YAML.
        try_it_out: The Try It Out endpoint; None where there is none.
        status: What the subscribers do at present, as JSON; None where that is not told.
    """

    document: str = "asyncapi.json"
    yaml: str = "asyncapi.yaml"
    try_it_out: str | None = None
    status: str | None = None


class Page:
    """Renders the page.

    Args:
        options: What it shows.
        links: Where it finds the rest.
        assets: The bundled files.
        real_broker: Offer to publish to the real broker.
        reports: The endpoint of Try It Out answers with reports, so that the page takes nothing
            else for a success.
        csrf: Cookie and header of the host's protection against forged requests, beside those
            that `CSRF` knows.

    Raises:
        TypeError: There is no such option.
        ValueError: An address is neither relative nor of http or https.
    """

    def __init__(
        self,
        options: PageOptions,
        links: PageLinks,
        assets: Assets,
        *,
        real_broker: bool,
        reports: bool = False,
        csrf: Sequence[tuple[str, str]] = (),
    ) -> None:
        check_options("The AsyncAPI page", options)
        self._options = options = {**DEFAULT_OPTIONS, **options}
        self._links = links
        self._assets = assets
        self._real_broker = real_broker
        self._reports = reports and not options["try_it_out_url"]
        self._csrf = list(dict.fromkeys((*csrf, *CSRF)))
        self._has_panel = bool(links.try_it_out or options["try_it_out_url"])
        self._script = _replacement(options, "asyncapi_js_url")
        self._stylesheet = _replacement(options, "asyncapi_css_url")
        self._plugin = _replacement(options, "try_it_out_plugin_url") if self._has_panel else None
        self._headers = {
            "Content-Security-Policy": self._policy(),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
        }

    def render(
        self, base: str, title: str, unavailable: Mapping[str, str] | None = None
    ) -> Representation:
        """The page for a browser.

        Args:
            base: Where the browser finds the page's files.
            title: The application's title.
            unavailable: By the channel's id in the document, why no message can be tried there.
        """
        values = {
            "title": title,
            "icon": _ICON,
            "stylesheet": self._stylesheet
            or f"{base}static/{self._assets.files['stylesheet'].name}",
            "document": base + self._links.document,
        }
        scripts = [
            self._plugin,
            self._script or f"{base}static/{self._assets.files['script'].name}",
        ]
        body = _TEMPLATE.format(
            **{key: html.escape(value) for key, value in values.items()},
            config=_json_in_html(self._config(base, unavailable or {})),
            scripts="\n".join(
                f'<script src="{html.escape(url)}" defer></script>' for url in scripts if url
            ),
        )
        return Representation(body.encode(), "text/html; charset=utf-8", headers=self._headers)

    def _config(self, base: str, unavailable: Mapping[str, str]) -> dict[str, object]:
        links, options = self._links, self._options
        return {
            "document": base + links.document,
            "downloads": [
                {"label": "JSON", "url": base + links.document},
                {"label": "YAML", "url": base + links.yaml},
            ],
            "component": {
                "show": {key: shown for key, shown in options.items() if key in _SHOWN},
                "expand": {"messageExamples": options["expand_message_examples"]},
            },
            "tryItOut": {
                "url": options["try_it_out_url"] or f"{base}{links.try_it_out}",
                "realBroker": self._real_broker,
                "reports": self._reports,
                "csrf": self._csrf,
                "unavailable": dict(unavailable),
            }
            if self._has_panel
            else None,
            "status": None if links.status is None else base + links.status,
        }

    def _policy(self) -> str:
        return "; ".join(
            [
                "default-src 'none'",
                _directive("script-src", self._script, self._plugin),
                _directive("style-src", self._stylesheet),
                "img-src 'self' data:",
                _directive("connect-src", self._options["try_it_out_url"]),
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            ]
        )


def page_base(scope: Scope) -> str:
    """The folder of the page's files, relative to the page's own address in the browser.

    It is made of the last segment alone, so that it holds under any prefix and behind a proxy
    that strips one: `./` where the page's path ends in a slash, else `./{segment}/`.
    """
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        path: str = scope["path"]
        return _folder(path.rpartition("/")[2], _SEGMENT)
    # As the browser sent it; some frameworks shorten `path` on the way.
    return _folder(raw.partition(b"?")[0].rpartition(b"/")[2], _SEGMENT + "%")


@lru_cache(maxsize=64)
def _folder(segment: str | bytes, safe: str) -> str:
    return f"./{quote(segment, safe=safe)}/" if segment else "./"


# RFC 3986, section 3.3
_SEGMENT = "!$&'()*+,;=:@"
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


def _replacement(options: Mapping[str, Any], name: str) -> str | None:
    url: str = options[name]
    return None if not url or url == DEFAULT_OPTIONS[name] else url  # type: ignore[literal-required]


def _origin(url: str) -> str | None:
    """The origin of an address of another host, None for one of the page's own."""
    parts = urlsplit(url)
    if not parts.scheme and not parts.netloc:
        return None
    scheme = parts.scheme or "https"
    origin = f"{scheme}://{parts.netloc.rpartition('@')[2]}"
    # What goes into the policy must not be able to end a directive.
    if not _ORIGIN.fullmatch(origin):
        msg = f"The address {url!r} of the AsyncAPI page is neither relative nor http or https."
        raise ValueError(msg)
    return origin


def _directive(name: str, *urls: str | None) -> str:
    origins = [origin for url in urls if url and (origin := _origin(url))]
    return " ".join([name, "'self'", *dict.fromkeys(origins)])


def _json_in_html(value: object) -> str:
    """JSON that cannot end the `<script>` element it is written into."""
    text = json.dumps(value)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%230f6cbd'/%3E"
    "%3Cpath d='M3 6h9L9 3m4 7H4l3 3' fill='none' stroke='white' stroke-width='1.6'/%3E%3C/svg%3E"
)

_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} | AsyncAPI</title>
<link rel="icon" href="{icon}">
<link rel="stylesheet" href="{stylesheet}">
<link rel="preload" href="{document}" as="fetch" crossorigin>
<script id="asyncapi-config" type="application/json">{config}</script>
{scripts}
</head>
<body>
<div id="asyncapi"></div>
<noscript>This page needs JavaScript. The document itself: <a href="{document}">JSON</a>.</noscript>
</body>
</html>
"""
