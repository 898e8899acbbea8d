import asyncio
from datetime import datetime, timedelta, timezone
from typing import Annotated

from fastapi import Depends, FastAPI
from faststream.nats import NatsBroker
from taskiq.api import run_scheduler_task
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_faststream import BrokerWrapper, StreamScheduler

from faststream_integrations import FastStream
from faststream_integrations.fastapi import FastStreamRouter

broker = NatsBroker("nats://127.0.0.1:4222")
reports: list[str] = []


async def open_reports() -> list[str]:
    return reports


@broker.subscriber("reports")
async def make_report(day: str, reports: Annotated[list[str], Depends(open_reports)]) -> None:
    reports.append(f"Report of {day}")


def yesterday() -> str:
    return f"{datetime.now(timezone.utc) - timedelta(days=1):%Y-%m-%d}"


tasks = BrokerWrapper(broker)
nightly = tasks.task(yesterday, subject="reports", schedule=[{"cron": "0 3 * * *"}])
scheduler = StreamScheduler(tasks, sources=[LabelScheduleSource(tasks)])
running: set[asyncio.Task[None]] = set()


async def start_scheduler() -> None:
    running.add(asyncio.create_task(run_scheduler_task(scheduler)))


async def stop_scheduler() -> None:
    while running:
        running.pop().cancel()


service = FastStream(broker, after_startup=[start_scheduler], on_shutdown=[stop_scheduler])
app = FastAPI()
app.include_router(FastStreamRouter(service))
