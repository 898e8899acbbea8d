"""Hooks of MkDocs for these pages."""

import runpy
from pathlib import Path
from typing import Any

COMPILED_HANDLER = "COMPILED_HANDLER"
EXAMPLE = Path(__file__).parent / "examples" / "compiled.py"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put in what the example is compiled to now, so that the page shows the real thing."""
    if COMPILED_HANDLER not in markdown:
        return markdown
    source: str = runpy.run_path(str(EXAMPLE), run_name="compiled")["search"].source
    return markdown.replace(COMPILED_HANDLER, source.rstrip())
