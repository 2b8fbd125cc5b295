"""The channel of postcopy-preempt at a destination: pages that were asked for, and nothing else.

Source: migration/postcopy-ram.c (postcopy_preempt_thread).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from migkit.channels import Channel
from migkit.errors import MigkitError
from migkit.stream.page_records import PageChannel

from .channel_cursor import ChannelCursor, CutError
from .placing import Placing
from .watch import Watch

__all__ = ["UrgentChannel"]


class UrgentChannel:
    """Reads one such channel in its own thread.

    Parameters
    ----------
    channel : Channel
        With its first bytes there.
    watch : Watch
        Hears what comes.
    placing : Placing
        Takes its pages.
    page_channel : PageChannel
        Reads its records.
    fail : callable
        Gets what is wrong with them; an end is not wrong.
    """

    def __init__(
        self,
        channel: Channel,
        watch: Watch,
        placing: Placing,
        page_channel: PageChannel,
        fail: Callable[[MigkitError], None],
    ) -> None:
        self.channel, self._pages, self._fail = channel, page_channel, fail
        self.cursor = placing.cursor = ChannelCursor(channel, watch)
        self.cursor.record = "channel of postcopy-preempt"
        self._thread = threading.Thread(target=self._run, name="preempt", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._pages.read(self.cursor, 0, framed=False)
        except CutError:
            pass  # the main stream tells whether the connection broke
        except MigkitError as error:
            self._fail(error)
        finally:
            self._pages.flush()

    @property
    def reading(self) -> bool:
        """Whether more may come."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End it."""
        self.channel.shutdown()
        self._thread.join(5.0)
        self.channel.close()
