"""The channels of a source: opened one at a time, and broken all at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from migkit.channels import Address, Channel, TlsFiles, connect
from migkit.errors import ChannelError

__all__ = ["Connecting"]


@dataclass
class Connecting:
    """Opens channels to an address, one a call.

    Parameters
    ----------
    address : Address
        Of the destination.
    tls : TlsFiles or None
        Credentials for every channel.

    Attributes
    ----------
    yanked : bool
        Whether all of it is to end.
    """

    address: Address
    tls: TlsFiles | None
    yanked: bool = False
    _opened: list[Channel] = field(default_factory=list)

    def __call__(self) -> Channel:
        """Open one more.

        Raises
        ------
        ChannelError
            If nobody takes it, or it was yanked.
        """
        if not self.yanked:
            self._opened.append(connect(self.address, self.tls))
        if self.yanked:  # meanwhile, too
            self.close()
            raise yanked(self.address)
        return self._opened[-1]

    @property
    def used(self) -> bool:
        """Whether anything was opened."""
        return bool(self._opened)

    def yank(self) -> None:
        """Break all channels, from any thread: what reads or writes ends at once."""
        self.yanked = True
        for channel in list(self._opened):
            channel.shutdown()

    def close(self) -> None:
        """Close all of them."""
        for channel in self._opened:
            channel.close()


def yanked(address: Address) -> ChannelError:
    """Return the error of a source that was yanked."""
    return ChannelError.of(f"send to {address}", "it was yanked", "send it again, or recover it")
