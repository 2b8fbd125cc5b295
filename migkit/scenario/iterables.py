"""Other iterable handlers beside RAM: dirty bitmaps of block nodes, VFIO devices, any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from migkit.errors import ScenarioError, did_you_mean
from migkit.records import check_numbers, record

__all__ = ["HANDLERS", "DirtyBitmap", "Handler", "IterableHandler", "VfioDevice", "read_iterable"]

_LONGEST_NAME = 255
_MOST = 1 << 53
_GRANULARITIES = tuple(1 << bits for bits in range(9, 31))


@dataclass(frozen=True)
class IterableHandler:
    """An iterable handler registered after RAM (migration/savevm.c, SaveVMHandlers).

    Parameters
    ----------
    name : str
        Its id string, 1..255 bytes, other than ``ram``.
    initial_bytes : int
        State it has to send, bytes; none is added while it runs.
    chunk_bytes : int
        What one call of its iterate hook sends, bytes, 1 or more.
    postcopiable : bool
        Whether it may send after the guest has moved (``has_postcopy``).
    byte_ps : int
        Its cost, picoseconds a byte.

    Raises
    ------
    ScenarioError
        If a value lies outside its range.

    Examples
    --------
    >>> IterableHandler("htab", 1 << 20, chunk_bytes=4096, postcopiable=True).byte_ps
    0
    """

    kind: ClassVar[str] = "generic"
    name: str
    initial_bytes: int
    chunk_bytes: int = 1 << 20
    postcopiable: bool = False
    byte_ps: int = 0

    def __post_init__(self) -> None:
        """Check name and numbers."""
        _check_name("iterable handler", self.name)
        if self.name == "ram":
            raise ScenarioError.of(
                "iterable handler ram", "RAM is always there", "give it another name"
            )
        check_numbers(f"iterable handler {self.name}", self, ScenarioError)
        if not self.chunk_bytes:
            raise ScenarioError.of(
                f"iterable handler {self.name}: chunk_bytes 0", "allowed 1 or more", "give more"
            )


@dataclass(frozen=True)
class DirtyBitmap:
    """A named dirty bitmap of a block node (migration/block-dirty-bitmap.c).

    All of them make one handler, ``dirty-bitmap``. It sends while the VM stands still here: in
    postcopy, or when the migration completes. What the destination makes of them changes nothing
    on the source.

    Parameters
    ----------
    name, node : str
        Of the bitmap, and of its block node (or its device), 1..255 bytes each.
    disk_bytes : int
        Size of the node, bytes, 1 or more.
    granularity_bytes : int
        Of one bit: a power of two, 512 B..1 GiB.
    dirty : iterable of (int, int)
        (First byte, count) of what is dirty on the disk.
    byte_ps : int
        Cost of a byte of bitmap that is sent, picoseconds.

    Raises
    ------
    ScenarioError
        If a value lies outside its range.

    Examples
    --------
    >>> DirtyBitmap("backup", "drive0", 1 << 30, dirty=[(0, 1 << 20)]).bits
    16384
    """

    kind: ClassVar[str] = "dirty-bitmap"
    name: str
    node: str
    disk_bytes: int
    granularity_bytes: int = 65536
    dirty: tuple[tuple[int, int], ...] = ()
    byte_ps: int = 0

    def __post_init__(self) -> None:
        """Check names, numbers and extents."""
        _check_name("dirty bitmap", self.name)
        _check_name(f"dirty bitmap {self.name}: node", self.node)
        check_numbers(f"dirty bitmap {self.name}", self, ScenarioError)
        if not 1 <= self.disk_bytes <= _MOST:
            raise ScenarioError.of(
                f"dirty bitmap {self.name}: disk_bytes {self.disk_bytes}",
                "allowed 1 B..8 PiB",
                "give the size of the disk",
            )
        if self.granularity_bytes not in _GRANULARITIES:
            raise ScenarioError.of(
                f"dirty bitmap {self.name}: granularity_bytes {self.granularity_bytes}",
                "allowed powers of two, 512 B..1 GiB",
                "give such a size",
            )
        extents = tuple((int(first), int(count)) for first, count in self.dirty)
        for first, count in extents:
            if first < 0 or count < 1 or first + count > self.disk_bytes:
                raise ScenarioError.of(
                    f"dirty bitmap {self.name}: dirty ({first}, {count})",
                    f"allowed within the disk's {self.disk_bytes} B",
                    "give extents of the disk",
                )
        object.__setattr__(self, "dirty", extents)

    @property
    def bits(self) -> int:
        """How many bits it has."""
        return -(-self.disk_bytes // self.granularity_bytes)


@dataclass(frozen=True)
class VfioDevice:
    """A VFIO device that migrates (hw/vfio/migration.c), the handler ``<path>/vfio``.

    Parameters
    ----------
    path : str
        Of the device, such as ``0000:00:02.0``.
    stop_copy_bytes : int
        State that only the stopped device gives away, beside what is left of the rest, bytes.
        Only the exact query knows it.
    precopy : bool
        Whether the device supports PRE_COPY, that is sends while the guest runs.
    precopy_init_bytes : int
        Initial data, bytes; the destination's ack of the switchover waits for them.
    precopy_dirty_bytes, dirty_rate_bytes_per_s, most_dirty_bytes : int
        State that is dirty when migration starts, that becomes dirty in a second, and the most
        that can be dirty (0: no bound).
    config_bytes : int
        Config space, sent with the device state, bytes.
    query_fails : bool
        Whether the kernel does not tell the exact size: QEMU then assumes 100 GiB.
    byte_ps : int
        Cost of reading a byte from the device, picoseconds.

    Raises
    ------
    ScenarioError
        If a value lies outside its range.

    Examples
    --------
    >>> VfioDevice("0000:00:02.0", stop_copy_bytes=64 << 20).name
    '0000:00:02.0/vfio'
    """

    kind: ClassVar[str] = "vfio"
    path: str
    stop_copy_bytes: int
    precopy: bool = True
    precopy_init_bytes: int = 0
    precopy_dirty_bytes: int = 0
    dirty_rate_bytes_per_s: int = 0
    most_dirty_bytes: int = 0
    config_bytes: int = 256
    query_fails: bool = False
    byte_ps: int = 0

    def __post_init__(self) -> None:
        """Check path and numbers."""
        _check_name("VFIO device", self.path)
        check_numbers(f"VFIO device {self.path}", self, ScenarioError)
        for name in ("stop_copy_bytes", "precopy_init_bytes", "precopy_dirty_bytes"):
            if getattr(self, name) > _MOST:
                raise ScenarioError.of(
                    f"VFIO device {self.path}: {name} {getattr(self, name)}",
                    "allowed up to 8 PiB",
                    "give less",
                )

    @property
    def name(self) -> str:
        """Id string of its handler."""
        return f"{self.path}/vfio"


HANDLERS = (IterableHandler, DirtyBitmap, VfioDevice)
"""Classes of what a scenario's ``iterables`` hold."""

Handler = IterableHandler | DirtyBitmap | VfioDevice
"""What a scenario's ``iterables`` hold."""

_KINDS: dict[str, type[Any]] = {kind.kind: kind for kind in HANDLERS}


def read_iterable(values: Any) -> Handler:
    """Read a handler from its fields.

    Parameters
    ----------
    values : mapping
        Fields of one of the classes; ``kind`` is ``generic`` (also if left out),
        ``dirty-bitmap`` or ``vfio``.

    Returns
    -------
    IterableHandler, DirtyBitmap or VfioDevice
        The handler.

    Raises
    ------
    ScenarioError
        If the kind or a field is not known, or a value not valid.
    """
    if not isinstance(values, Mapping):
        raise ScenarioError.of(
            f"iterable handler {values!r}", "not a table", "give its fields by name"
        )
    fields = dict(values)
    kind = fields.pop("kind", "generic")
    if kind not in _KINDS:
        raise ScenarioError.of(
            f"iterable handler: kind {kind!r}", "unknown", did_you_mean(str(kind), _KINDS)
        )
    made: Handler = record(_KINDS[kind], fields, f"{kind} handler", ScenarioError)
    return made


def _check_name(what: str, name: Any) -> None:
    if not isinstance(name, str) or not 1 <= len(name.encode()) <= _LONGEST_NAME:
        raise ScenarioError.of(f"{what} {name!r}", "allowed 1..255 bytes", "give it a name")
