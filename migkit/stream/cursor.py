"""A place in a stream that reads forward and never past its end."""

from __future__ import annotations

import struct
from mmap import mmap

from migkit.errors import StreamError

__all__ = ["AS_WRITTEN", "Buffer", "Cursor"]

Buffer = bytes | bytearray | mmap
"""What a stream is read from: it can be searched, and its parts are looked at without copying."""

AS_WRITTEN = "give the stream as QEMU wrote it"
_U16, _U32, _U64 = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">Q")


class Cursor:
    """A place in a buffer.

    Parameters
    ----------
    data : bytes, bytearray or mmap
        The file.
    at : int
        Where to begin, in bytes.
    end : int, optional
        First byte that does not belong to what is read; the buffer's end if left out.
    base : int
        Where the buffer begins in its stream; 0 unless it is a window that moves along.

    Attributes
    ----------
    record : str
        What is being read, for errors.
    mark : int
        Where to begin again when bytes are missing that are still to come; see `walker`.
    """

    __slots__ = ("at", "base", "data", "end", "mark", "record")

    live = False
    """Whether it waits for what has not come."""

    def __init__(self, data: Buffer, at: int = 0, end: int | None = None, base: int = 0) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end
        self.base = base
        self.mark = at
        self.record = "file header"

    @property
    def place(self) -> int:
        """Where this is in the stream, bytes."""
        return self.base + self.at

    @property
    def left(self) -> int:
        """Bytes to the end."""
        return self.end - self.at

    def have(self, count: int) -> bool:
        """Tell whether so many bytes are left; a cursor over a channel waits for them."""
        return self.left >= count

    def await_at(self, at: int, count: int) -> None:
        """Let a cursor over a channel wait a while for bytes that may follow."""

    def more(self) -> bool:
        """Tell whether a cursor over a channel got bytes more than there were."""
        return False

    def settle(self) -> bool:
        """Let a cursor over a channel forget what was read; tell whether more had come."""
        return False

    def fail(self, found: str, fix: str = AS_WRITTEN, at: int | None = None) -> StreamError:
        """Make the error that says where this is; the caller raises it."""
        place = self.base + (self.at if at is None else at)
        return StreamError.at(place, self.record, found, fix)

    def need(self, count: int, what: str) -> None:
        """Refuse to go on if fewer bytes are left.

        Parameters
        ----------
        count : int
            Bytes that are wanted.
        what : str
            What they are.

        Raises
        ------
        StreamError
            If the stream ends before.
        """
        if count > self.left:
            raise self.fail(
                f"{what} needs {count} B and {max(self.left, 0)} B are left",
                "give the whole stream, or read as far as it goes with partial",
            )

    def u8(self, what: str) -> int:
        """Read a byte."""
        self.need(1, what)
        value = self.data[self.at]
        self.at += 1
        return value

    def u16(self, what: str) -> int:
        """Read be16."""
        return self._unpack(_U16, what)

    def u32(self, what: str) -> int:
        """Read be32."""
        return self._unpack(_U32, what)

    def u64(self, what: str) -> int:
        """Read be64."""
        return self._unpack(_U64, what)

    def peek_u64(self) -> int:
        """Return the next be64 and stay; 0 where fewer bytes are left."""
        if not self.have(_U64.size):
            return 0
        value: int = _U64.unpack_from(self.data, self.at)[0]
        return value

    def take(self, count: int, what: str) -> bytes:
        """Read so many bytes."""
        self.need(count, what)
        taken = bytes(self.data[self.at : self.at + count])
        self.at += count
        return taken

    def skip(self, count: int, what: str) -> None:
        """Step over so many bytes."""
        self.need(count, what)
        self.at += count

    def pass_over(self, count: int, what: str) -> None:
        """Step over bytes that nobody looks at; a cursor over a channel does not hold them."""
        self.skip(count, what)

    def part(self, count: int, what: str) -> Cursor:
        """Step over so many bytes, and return a place at their begin that ends with them."""
        self.need(count, what)
        inside = Cursor(self.data, self.at, self.at + count, self.base)
        inside.record = self.record
        self.at += count
        return inside

    def text(self, what: str) -> str:
        """Read a counted string: a length in one byte, then so many bytes of printable ASCII."""
        start = self.at
        raw = self.take(self.u8(what), what)
        if not (raw and raw.isascii() and raw.decode("ascii").isprintable()):
            raise self.fail(f"{what} {raw[:40]!r} is no printable name", at=start)
        return raw.decode("ascii")

    def _unpack(self, form: struct.Struct, what: str) -> int:
        self.need(form.size, what)
        value: int = form.unpack_from(self.data, self.at)[0]
        self.at += form.size
        return value
