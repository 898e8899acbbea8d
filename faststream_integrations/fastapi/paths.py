"""Paths as FastAPI knows them: parameters within a segment too, with Starlette's convertors."""

from faststream.exceptions import SetupError
from starlette.convertors import CONVERTOR_TYPES

from faststream_integrations.http.paths import PARAMETER, check_names

__all__ = ("converted_parameters",)


def converted_parameters(path: str) -> list[str]:
    """Return the names of the parameters in a path like ``/files/{name:path}``.

    Raises:
        SetupError: A parameter is malformed or repeats.
    """
    parameters = list(PARAMETER.finditer(path))
    rest = PARAMETER.sub("", path)
    if (
        "{" in rest
        or "}" in rest
        or not all(match[1].isidentifier() for match in parameters)
        or not all(match[2] is None or match[2] in CONVERTOR_TYPES for match in parameters)
    ):
        msg = (
            f"The path {path!r}: a parameter is a Python name in braces, '{{order_id}}', possibly "
            f"with one of Starlette's convertors: {', '.join(CONVERTOR_TYPES)}."
        )
        raise SetupError(msg)
    names = [match[1] for match in parameters]
    check_names(path, names)
    return names
