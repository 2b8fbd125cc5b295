"""What lies between the hosts: the link, and where the stream goes."""

from migkit.network.link import Link
from migkit.network.transport import Transport

__all__ = ["Link", "Transport"]
