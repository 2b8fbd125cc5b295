"""QEMU's migration parameters: names, defaults, accepted ranges and effects, declared once.

The fields of `MigrationParameters` are the table; everything else here is read off them. Names,
defaults and ranges are those of QEMU 10.2 (migration/options.c, migration_properties and
migrate_params_check; qapi/migration.json), with the unit added where QEMU leaves it out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from migkit.errors import InputError, did_you_mean
from migkit.parameters.table import ParameterInfo, choice, declare, number

__all__ = ["PARAMETERS", "MigrationParameters", "ParameterInfo", "check_names"]

_SIZE_MAX = 2**64 - 1
_PAGE_BYTES = 4096


@dataclass(frozen=True)
class MigrationParameters:
    """The parameters of one migration, all checked, with QEMU's defaults.

    Every field is described in `PARAMETERS`, by QEMU's name.

    Raises
    ------
    InputError
        If a value lies outside what QEMU accepts.

    Examples
    --------
    >>> MigrationParameters(downtime_limit_ms=50).to_qmp(changed_only=True)
    {'downtime-limit': 50}
    >>> MigrationParameters.from_qmp({"max-bandwidth": 67108864}).max_bandwidth_bytes_per_s
    67108864
    """

    announce_initial_ms: int = number(
        "announce-initial", 50, 0, 100000, "ms", "wait before the second self-announcement"
    )
    announce_max_ms: int = number(
        "announce-max", 550, 0, 100000, "ms", "longest wait between self-announcements"
    )
    announce_rounds: int = number(
        "announce-rounds", 5, 0, 1000, "", "how many self-announcements the destination sends"
    )
    announce_step_ms: int = number(
        "announce-step", 100, 1, 10000, "ms", "growth of the wait between self-announcements"
    )
    throttle_trigger_threshold_percent: int = number(
        "throttle-trigger-threshold",
        50,
        1,
        100,
        "%",
        "dirtied over sent bytes that make a period bad for auto-converge; read at each sync",
    )
    cpu_throttle_initial_percent: int = number(
        "cpu-throttle-initial", 20, 1, 99, "%", "first step of auto-converge; read at it"
    )
    cpu_throttle_increment_percent: int = number(
        "cpu-throttle-increment", 10, 1, 99, "%", "further steps; read when one is taken"
    )
    cpu_throttle_tailslow: bool = declare(
        "cpu-throttle-tailslow", False, "make late steps of auto-converge only as big as needed"
    )
    max_cpu_throttle_percent: int = number(
        "max-cpu-throttle", 99, 1, 99, "%", "most of auto-converge from its next step on"
    )
    tls_creds: str = declare("tls-creds", "", "TLS credentials object; empty for no TLS")
    tls_hostname: str = declare("tls-hostname", "", "host name expected in the certificate")
    tls_authz: str = declare("tls-authz", "", "authorisation object for the client")
    max_bandwidth_bytes_per_s: int = number(
        "max-bandwidth",
        128 << 20,
        0,
        _SIZE_MAX,
        "B/s",
        "limit of precopy, a tenth of it in each 100 ms window; 0 is unlimited; applies at once",
    )
    avail_switchover_bandwidth_bytes_per_s: int = number(
        "avail-switchover-bandwidth",
        0,
        0,
        _SIZE_MAX,
        "B/s",
        "bandwidth assumed for the switchover instead of the measured one; 0 is measured",
    )
    max_postcopy_bandwidth_bytes_per_s: int = number(
        "max-postcopy-bandwidth",
        0,
        0,
        _SIZE_MAX,
        "B/s",
        "limit of the background stream in postcopy; 0 is unlimited; applies at once",
    )
    downtime_limit_ms: int = number(
        "downtime-limit",
        300,
        0,
        2000000,
        "ms",
        "downtime times bandwidth is the threshold; applies when the next window closes",
    )
    x_checkpoint_delay_ms: int = number(
        "x-checkpoint-delay", 20000, 0, 2**32 - 1, "ms", "period of COLO checkpoints"
    )
    multifd_channels: int = number(
        "multifd-channels", 2, 1, 255, "", "multifd channels, opened at setup"
    )
    multifd_compression: str = choice(
        "multifd-compression",
        ("none", "zlib", "zstd", "qatzip", "qpl", "uadk"),
        "none",
        "compression of multifd payloads, from setup on; which exist depends on the build",
    )
    multifd_zlib_level: int = number("multifd-zlib-level", 1, 0, 9, "", "zlib level")
    multifd_zstd_level: int = number("multifd-zstd-level", 1, 0, 20, "", "zstd level")
    multifd_qatzip_level: int = number("multifd-qatzip-level", 1, 1, 9, "", "qatzip level")
    xbzrle_cache_size_bytes: int = number(
        "xbzrle-cache-size",
        64 << 20,
        _PAGE_BYTES,
        2**63,
        "B",
        "size of the page cache of xbzrle, a power of two; a change replaces the cache",
    )
    block_bitmap_mapping: tuple[Any, ...] = declare(
        "block-bitmap-mapping", (), "aliases of nodes and bitmaps"
    )
    x_vcpu_dirty_limit_period_ms: int = number(
        "x-vcpu-dirty-limit-period", 1000, 1, 1000, "ms", "measuring period of dirty-limit"
    )
    vcpu_dirty_limit_mb_per_s: int = number(
        "vcpu-dirty-limit", 1, 1, 2**64 - 1, "MB/s", "dirty-limit for each vCPU; read when it acts"
    )
    mode: str = choice(
        "mode", ("normal", "cpr-reboot", "cpr-transfer", "cpr-exec"), "normal", "migration mode"
    )
    zero_page_detection: str = choice(
        "zero-page-detection",
        ("none", "legacy", "multifd"),
        "multifd",
        "who looks for zero pages: nobody, the migration thread, multifd; read for each page",
    )
    direct_io: bool = declare("direct-io", False, "O_DIRECT; only with mapped-ram and multifd")
    cpr_exec_command: tuple[str, ...] = declare(
        "cpr-exec-command", (), "command that cpr-exec runs"
    )

    def __post_init__(self) -> None:
        """Check every value, and those that depend on each other."""
        for info in PARAMETERS.values():
            object.__setattr__(self, info.field, info.check(getattr(self, info.field)))
        if self.xbzrle_cache_size_bytes & (self.xbzrle_cache_size_bytes - 1):
            raise InputError.of(
                f"xbzrle-cache-size {self.xbzrle_cache_size_bytes}",
                "allowed a power of two, 4096 B or more",
                f"give {1 << self.xbzrle_cache_size_bytes.bit_length()}",
            )
        if self.max_cpu_throttle_percent < self.cpu_throttle_initial_percent:
            raise InputError.of(
                f"max-cpu-throttle {self.max_cpu_throttle_percent}",
                f"allowed {self.cpu_throttle_initial_percent}..99 (cpu-throttle-initial is "
                f"{self.cpu_throttle_initial_percent})",
                "raise max-cpu-throttle, or lower cpu-throttle-initial",
            )
        if self.mode == "cpr-exec" and not self.cpr_exec_command:
            raise InputError.of(
                "mode cpr-exec", "cpr-exec-command is empty", "give cpr-exec-command too"
            )

    @classmethod
    def from_qmp(cls, arguments: Mapping[str, object]) -> MigrationParameters:
        """Read the arguments of ``migrate-set-parameters``; the rest keeps QEMU's defaults.

        Parameters
        ----------
        arguments : mapping of str to object
            QEMU's names and values.

        Returns
        -------
        MigrationParameters
            All parameters.

        Raises
        ------
        InputError
            If a name is unknown (the nearest known one is suggested) or a value not accepted.
        """
        return cls().with_qmp(arguments)

    def with_qmp(self, arguments: Mapping[str, object]) -> MigrationParameters:
        """Apply ``migrate-set-parameters``.

        Parameters
        ----------
        arguments : mapping of str to object
            QEMU's names and values.

        Returns
        -------
        MigrationParameters
            A copy with the values set.

        Raises
        ------
        InputError
            If a name is unknown or a value not accepted.
        """
        check_names(arguments)
        return self.replace(**{PARAMETERS[name].field: arguments[name] for name in arguments})

    def replace(self, **changes: Any) -> MigrationParameters:
        """Return a copy with some fields changed.

        Parameters
        ----------
        **changes : Any
            New values by field name.

        Returns
        -------
        MigrationParameters
            The changed copy.

        Raises
        ------
        InputError
            If a field is unknown or a value not accepted.
        """
        fields = {info.field for info in PARAMETERS.values()}
        for name in changes:
            if name not in fields:
                raise InputError.of(
                    f"parameter {name}", "not a field", did_you_mean(name, sorted(fields))
                )
        return dataclasses.replace(self, **changes)

    def to_qmp(self, *, changed_only: bool = False) -> dict[str, Any]:
        """Write the arguments of ``migrate-set-parameters``.

        Parameters
        ----------
        changed_only : bool
            Leave out what has QEMU's default.

        Returns
        -------
        dict
            QEMU's names and values; lists are lists again.
        """
        values = {qmp: getattr(self, info.field) for qmp, info in PARAMETERS.items()}
        return {
            qmp: list(value) if isinstance(value, tuple) else value
            for qmp, value in values.items()
            if not changed_only or value != PARAMETERS[qmp].default
        }


def check_names(arguments: Iterable[str]) -> None:
    """Refuse names that are no parameters of QEMU.

    Parameters
    ----------
    arguments : iterable of str
        Names.

    Raises
    ------
    InputError
        At the first that is unknown; the nearest known one is suggested.
    """
    for name in arguments:
        if name not in PARAMETERS:
            raise InputError.of(
                f"parameter {name}",
                "not a migration parameter of QEMU",
                did_you_mean(name, PARAMETERS),
            )


def _table() -> dict[str, ParameterInfo]:
    rows = (
        ParameterInfo(field=field.name, default=field.default, **field.metadata)
        for field in dataclasses.fields(MigrationParameters)
    )
    return {row.qmp: row for row in rows}


PARAMETERS: dict[str, ParameterInfo] = _table()
"""Every parameter by QEMU's name, in QEMU's order."""
