"""``python -m tools.pictures`` draws the pictures of the documentation into `docs/images`.

Boxes and arrows on a white ground, so that they are read on a light page and on a dark one. A test
draws them again and compares.
"""

from __future__ import annotations

from html import escape

from tools.environments import ROOT

__all__ = ("PICTURES", "Picture")

IMAGES = ROOT / "docs" / "images"

FILL = {
    "ours": "#e8eefc",
    "theirs": "#f1f1f1",
    "yours": "#fdf1dc",
    "good": "#e2f3e5",
    "bad": "#fbe4e2",
}
STYLE = (
    "text{font:14px system-ui,sans-serif;fill:#1c1c1c;text-anchor:middle}"
    ".small{font-size:12px;fill:#555}.left{text-anchor:start}"
    "rect{stroke:#8a8a8a}path{stroke:#555;fill:none;stroke-width:1.5}"
)
HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
    'width="{width}" height="{height}" role="img">'
)
TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 0 8 4 0 8z" style="fill:#555;stroke:none"/></marker></defs>'
)


class Picture:
    """A drawing of boxes and arrows.

    Args:
        width: Its width in pixels.
        height: Its height in pixels.
        title: What it shows, for those who do not see it.
    """

    def __init__(self, width: int, height: int, title: str) -> None:
        self._parts = [
            HEAD.format(width=width, height=height),
            f"<title>{escape(title)}</title><style>{STYLE}</style>",
            TIP,
            f'<rect width="{width}" height="{height}" rx="8" fill="#fff" style="stroke:none"/>',
        ]

    def box(self, x: int, y: int, width: int, height: int, text: str, kind: str) -> None:
        """Draw a box; the first line of its text is what it is, the others are small."""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{FILL[kind]}"/>'
        )
        lines = text.split("\n")
        top = y + height / 2 - (len(lines) - 1) * 8.5 + 5
        for number, line in enumerate(lines):
            small = ' class="small"' if number else ""
            place = f'x="{x + width / 2:g}" y="{top + number * 17:g}"'
            self._parts.append(f"<text {place}{small}>{escape(line)}</text>")

    def arrow(
        self, *points: tuple[int, int], label: str = "", at: tuple[int, int] = (0, 0)
    ) -> None:
        """Draw an arrow through points, and a small text somewhere."""
        path = " ".join(f"{x} {y}" for x, y in points)
        self._parts.append(f'<path d="M{path}" marker-end="url(#tip)"/>')
        if label:
            self.text(*at, label)

    def text(self, x: int, y: int, text: str, *, left: bool = False) -> None:
        """Write a small text, its middle (or its left end) at a point."""
        name = "small left" if left else "small"
        self._parts.append(f'<text x="{x}" y="{y}" class="{name}">{escape(text)}</text>')

    def __str__(self) -> str:
        return "\n".join([*self._parts, "</svg>", ""])


def states() -> Picture:
    """The states of an application, and what probes answer in each."""
    picture = Picture(760, 250, "The states of an application")
    y, height = 60, 70
    picture.box(30, y, 150, height, "starting\nready 503, live 200", "ours")
    picture.box(220, y, 150, height, "ready\nas its consumers are", "good")
    picture.box(410, y, 150, height, "draining\nready 503, live 200", "ours")
    picture.box(600, y, 130, height, "stopped\nready 503, live 200", "theirs")
    picture.arrow((180, 95), (220, 95))
    picture.arrow((370, 95), (410, 95))
    picture.arrow((560, 95), (600, 95))
    picture.text(200, 30, "every subscriber consumes")
    picture.arrow((200, 36), (200, 90))
    picture.text(390, 30, "SIGTERM, or the lifespan ends")
    picture.arrow((390, 36), (390, 90))
    picture.text(590, 30, "messages in hand are done")
    picture.arrow((580, 36), (580, 90))
    picture.arrow((280, 130), (280, 165), (105, 165), (105, 130))
    picture.text(192, 182, "the client gave up: the broker starts again")
    picture.arrow((350, 130), (350, 205))
    picture.box(240, 205, 220, 34, "a consumer is dead: live 503", "bad")
    return picture


def order() -> Picture:
    """The order of start and stop."""
    picture = Picture(760, 330, "The order of start and stop: what was opened first is closed last")
    steps = [
        ("your lifespan", "yours"),
        ("the lifespan of FastStream(broker)", "yours"),
        ("on_startup / after_shutdown", "yours"),
        ("the brokers: connect, consume / drain, close", "ours"),
        ("after_startup / on_shutdown", "yours"),
        ("the host answers requests", "theirs"),
    ]
    for number, (text, kind) in enumerate(steps):
        indent = number * 34
        picture.box(110 + indent, 40 + number * 46, 540 - 2 * indent, 36, text, kind)
    picture.text(60, 30, "start")
    picture.arrow((60, 40), (225, 302))
    picture.text(700, 30, "stop")
    picture.arrow((535, 302), (700, 40))
    return picture


def message() -> Picture:
    """The way of a message."""
    picture = Picture(760, 300, "The way of a message from the server to its acknowledgement")
    picture.box(20, 30, 150, 56, "server\nNATS, Kafka, ...", "theirs")
    picture.box(220, 30, 150, 56, "FastStream\nparse, middlewares", "theirs")
    picture.box(420, 20, 320, 190, "", "ours")
    picture.text(580, 40, "compiled once, at the start")
    picture.box(440, 52, 280, 34, "Context, Header, Path, the body", "ours")
    picture.box(440, 94, 280, 50, "dependencies: FastStream's,\nFastAPI's or Litestar's", "ours")
    picture.box(440, 152, 280, 44, "your subscriber", "yours")
    picture.arrow((170, 58), (220, 58))
    picture.arrow((370, 58), (420, 58))
    picture.arrow((580, 86), (580, 94))
    picture.arrow((580, 144), (580, 152))
    picture.box(440, 236, 280, 40, "what follows a yield: commit, close", "yours")
    picture.arrow((580, 196), (580, 236))
    picture.box(220, 236, 150, 40, "reply, publish", "theirs")
    picture.arrow((440, 256), (370, 256))
    picture.box(20, 236, 150, 40, "ack", "theirs")
    picture.arrow((220, 256), (170, 256))
    picture.arrow((95, 236), (95, 86), label="after an error: nack, and no reply", at=(210, 165))
    return picture


def request() -> Picture:
    """The way of a request."""
    picture = Picture(760, 250, "The way of a request through the host to a handler and back")
    picture.box(20, 40, 130, 56, "ASGI server\nuvicorn, ...", "theirs")
    picture.box(190, 30, 200, 76, "host\nmiddleware, routing,\nguards, dependencies", "theirs")
    picture.box(430, 20, 310, 190, "", "ours")
    picture.text(585, 40, "compiled once, at registration")
    picture.box(450, 52, 270, 34, "Path, Query, Header, Cookie, Body", "ours")
    picture.box(450, 94, 270, 34, "dependencies, in their order", "ours")
    picture.box(450, 136, 270, 26, "your handler", "yours")
    picture.box(450, 170, 270, 28, "JSON by the return annotation", "ours")
    picture.arrow((150, 68), (190, 68))
    picture.arrow((390, 68), (430, 68))
    picture.arrow((585, 86), (585, 94))
    picture.arrow((585, 128), (585, 136))
    picture.arrow((585, 162), (585, 170))
    picture.arrow((450, 184), (290, 184), (290, 106))
    picture.text(360, 202, "the response")
    picture.arrow((585, 198), (585, 240), (85, 240), (85, 96))
    picture.text(
        330, 258, "invalid: one 422 with all errors; no thread hop for what is not blocking"
    )
    return picture


def workers() -> Picture:
    """What several workers share."""
    picture = Picture(760, 250, "Several workers: each message goes to one of a group")
    picture.box(20, 80, 130, 70, "server\norders", "theirs")
    for number in range(3):
        y = 20 + number * 76
        picture.box(330, y, 190, 56, f"worker {number + 1}\none process, its own broker", "ours")
        picture.arrow((150, 115), (330, y + 28))
    picture.text(170, 40, "one group: each message once")
    picture.box(590, 80, 150, 70, "HTTP\none port for all", "theirs")
    for number in range(3):
        picture.arrow((590, 115), (520, 48 + number * 76))
    return picture


PICTURES = {
    "states.svg": states,
    "order.svg": order,
    "message.svg": message,
    "request.svg": request,
    "workers.svg": workers,
}


def main() -> None:
    """Draw all of them."""
    for name, draw in PICTURES.items():
        (IMAGES / name).write_text(str(draw()))


if __name__ == "__main__":
    main()
