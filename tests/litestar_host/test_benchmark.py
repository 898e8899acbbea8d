"""What the benchmark compares does the same work."""

import logging
from collections.abc import Iterator

import pytest

from benchmarks.litestar_host import cases
from benchmarks.measure import Case, check_answers


@pytest.fixture(autouse=True)
def _nothing_logged() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
async def test_all_applications_give_the_same_answer(case: Case) -> None:
    await check_answers(case)
