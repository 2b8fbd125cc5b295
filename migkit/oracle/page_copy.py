"""How a page in the cache of xbzrle differs from the page now.

The captures' guest's pages are compared byte for byte. Of all others it is known what was written
since the copy was made: a new page (its data bytes differ, but for chance), or a number of places.
Where they lie is drawn; the true codec does the rest.
"""

from __future__ import annotations

from migkit.oracle.draws import counter

PAGE_BYTES = 4096
MOST_PLACES = 8192
"""More changed places than that leave hardly a byte of a page as it was."""
TOUCHED_PLACES, TOUCHED_BYTES = 2, 2
"""What a page that is written all the time differs by: two counters, as on a program's stack."""
_FILL_DRAWS, _TOUCH_DRAWS = 1 << 20, 1 << 21


class PageCopy:
    """A copy in the cache, and what happened to the page since.

    Parameters
    ----------
    key : int
        Of the draws for this copy.
    data_bytes : int
        Bytes of the page that could not be compressed.
    real : bytes or None
        What was in it, if that is known.
    """

    def __init__(self, key: int, data_bytes: int, real: bytes | None) -> None:
        self.key = key
        self.data_bytes = data_bytes
        self.real = real
        self.filled = self.touched = False
        self.places = self.place_bytes = 0

    def fill(self) -> None:
        """Note that the page was written anew."""
        self.filled = True
        self.places = self.place_bytes = 0

    def change(self, places: int, place_bytes: int) -> None:
        """Note that the page was changed at some places."""
        self.places = min(self.places + places, MOST_PLACES)
        self.place_bytes = max(self.place_bytes, place_bytes)

    def touch(self) -> None:
        """Note that the guest ran, and this is a page it writes all the time."""
        self.touched = True

    def pair(self, data_bytes: int, real: bytes | None) -> tuple[bytes, bytes]:
        """Return the copy and the page now, as far as equal and different bytes count."""
        old = bytearray(self.real or bytes(PAGE_BYTES))
        new = bytearray(real or bytes(PAGE_BYTES))
        if self.filled:
            longer = max(self.data_bytes, data_bytes)
            words = range(-(-longer // 8))
            drawn = (counter(self.key, _FILL_DRAWS + i).to_bytes(8, "little") for i in words)
            new[:longer] = b"".join(drawn)[:longer]
        self._scatter(old, new, 0, self.places, self.place_bytes)
        if self.touched:
            self._scatter(old, new, _TOUCH_DRAWS, TOUCHED_PLACES, TOUCHED_BYTES)
        return bytes(old), bytes(new)

    def _scatter(
        self, old: bytearray, new: bytearray, first: int, places: int, place_bytes: int
    ) -> None:
        """Make the pages differ at places drawn."""
        for number in range(places):
            draw = counter(self.key, first + number)
            at = draw * (PAGE_BYTES - place_bytes + 1) >> 64
            value = 1 + (draw & 0xFF) % 255
            old[at : at + place_bytes] = bytes(place_bytes)
            new[at : at + place_bytes] = bytes([value]) * place_bytes
