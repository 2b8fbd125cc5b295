"""The state of devices as it came: bytes, with what their sections are called."""

from __future__ import annotations

from dataclasses import dataclass

from migkit.errors import StreamError
from migkit.stream.cursor import Cursor
from migkit.stream.records import Record
from migkit.stream.wire import FOOTER_BYTES

__all__ = ["DeviceSection", "DeviceSections"]

MOST_BYTES = 1 << 28


@dataclass(frozen=True)
class DeviceSection:
    """One section that is not RAM.

    Attributes
    ----------
    kind : str
        ``start``, ``part``, ``end`` or ``full``.
    section_id, instance_id, version_id : int
        As the source wrote them.
    name : str
        The handler.
    in_package : bool
        It came in the package that opens postcopy.
    body : bytes
        Without head and footer.
    """

    kind: str
    section_id: int
    instance_id: int
    version_id: int
    name: str
    in_package: bool
    body: bytes


class DeviceSections:
    """Keeps sections, up to a bound.

    Attributes
    ----------
    listed : list of DeviceSection
        In the stream's order.
    """

    def __init__(self) -> None:
        self.listed: list[DeviceSection] = []
        self._bytes = 0

    def add(self, record: Record, cursor: Cursor) -> None:
        """Keep the section that was read last.

        Raises
        ------
        StreamError
            If all sections together have more bytes than any machine's.
        """
        start = (record.body_at or 0) - cursor.base
        end = record.offset + record.length - FOOTER_BYTES - cursor.base
        self._bytes += max(0, end - start)
        if self._bytes > MOST_BYTES:
            raise StreamError.at(
                record.offset,
                f"section {record.name}",
                f"more than {MOST_BYTES} B of device state",
                "leave out the device that has so much",
            )
        ids = (record.section_id or 0, record.instance_id or 0, record.version_id or 0)
        body = bytes(cursor.data[start:end])
        section = DeviceSection(record.kind, *ids, record.name, record.in_package, body)
        self.listed.append(section)
