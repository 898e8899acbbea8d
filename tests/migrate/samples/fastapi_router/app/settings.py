from pydantic import BaseModel


class Settings(BaseModel):
    nats: str = "nats://127.0.0.1:4222"
    port: int = 8000


settings = Settings()
