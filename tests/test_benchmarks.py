import logging
from collections.abc import Iterator

import pytest

from benchmarks.handlers import TASKS, Task
from benchmarks.measure import Answer, Case, check_answers


@pytest.fixture(autouse=True)
def nothing_logged() -> Iterator[None]:
    logging.disable()  # faststream.asgi logs what it refuses
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
async def test_all_peers_give_the_same_answer(task: Task) -> None:
    case = task.case()
    assert {"ours", "by hand", "Starlette"} <= set(case.apps)
    await check_answers(case)


async def test_another_answer_is_noticed() -> None:
    case = TASKS[0].case()
    wrong = Case(case.name, case.request, Answer(200, b"other"), case.apps)
    with pytest.raises(AssertionError, match="ours answered"):
        await check_answers(wrong)
