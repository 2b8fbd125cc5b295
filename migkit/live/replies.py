"""The return path of a destination: what it answers, where someone listens.

Source: migration/migration.c (migrate_send_rp_message), migration/savevm.c
(loadvm_process_command).
"""

from __future__ import annotations

import contextlib

from migkit.channels import Channel
from migkit.errors import ChannelError
from migkit.stream.writing_messages import message, pong, shut

__all__ = ["Replies"]


class Replies:
    """Writes on the main channel, from any thread.

    A file or a command may have no reader for it: an answer that cannot be written is left out,
    for whether the stream goes on its bytes tell.

    Attributes
    ----------
    opened : bool
        Whether the source asked for answers.
    """

    def __init__(self) -> None:
        self.opened = False
        self._channel: Channel | None = None

    def use(self, channel: Channel | None) -> None:
        """Write on another channel from now on; None while there is none."""
        self._channel = channel

    def request(self, data: bytes) -> None:
        """Write a message that must arrive.

        Raises
        ------
        ChannelError
            If there is no connection.
        """
        channel = self._channel
        if channel is None:
            raise ChannelError.of("a request", "the connection is broken", "resume the source")
        channel.write(data)

    def send(self, data: bytes) -> None:
        """Write a message, if there is someone who reads it."""
        if self.opened:
            with contextlib.suppress(ChannelError):
                self.request(data)

    def pong(self, value: int) -> None:
        """Answer a PING."""
        self.send(pong(value))

    def acknowledge_switchover(self) -> None:
        """Let the source switch over."""
        self.send(message("SWITCHOVER_ACK"))

    def shut(self, value: int) -> None:
        """Say that all was read, with 0, or that loading failed."""
        self.send(shut(value))
