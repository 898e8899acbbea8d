from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from app.routes import orders, router
from app.settings import settings


@asynccontextmanager
async def lifespan(app: FastAPI):
    async with router.lifespan_context(app):
        yield


app = FastAPI(lifespan=router.lifespan_context)  # change: leave `lifespan=router.lifespan_context` out
app.include_router(router)

if __name__ == "__main__":
    uvicorn.run(app, port=settings.port)
