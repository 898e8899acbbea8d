"""What handles a message: the subscribers of a broker that runs in a host of ours."""

from faststream_integrations.subscribers.config import adopt, hosting
from faststream_integrations.subscribers.hosts import Host

__all__ = ("Host", "adopt", "hosting")
