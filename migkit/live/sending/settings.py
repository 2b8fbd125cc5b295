"""What is asked of a source: where to and how, checked before anything is opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from migkit.channels import Address, ExecAddress, FileAddress, parse_address
from migkit.errors import InputError, did_you_mean
from migkit.parameters import MigrationParameters
from migkit.parameters.capabilities import Capabilities
from migkit.parameters.sync_rules import SyncRules, sync_rules
from migkit.stream.writing_packets import check_method

__all__ = ["RULES", "SENDABLE", "SendSettings", "settings_of"]

SENDABLE: tuple[str, ...] = (
    "auto-converge",
    "dirty-limit",
    "events",
    "mapped-ram",
    "multifd",
    "postcopy-preempt",
    "postcopy-ram",
    "release-ram",
    "return-path",
    "switchover-ack",
    "xbzrle",
)
"""The capabilities of QEMU that a source here has."""

_WHY_NOT = {
    "background-snapshot": "the writes of a guest are not held up here",
    "dirty-bitmaps": "there are no block devices here",
    "late-block-activate": "there are no block devices here",
    "pause-before-switchover": "nobody is there to let it go on",
    "postcopy-blocktime": "it is measured where the guest goes to",
    "rdma-pin-all": "there is no RDMA here",
    "validate-uuid": "what the head of the stream says was decided when the guest was saved",
    "x-colo": "no guest runs here beside the other one",
    "x-ignore-shared": "the destination does not share this memory",
    "zero-blocks": "there are no block devices here",
    "zero-copy-send": "what is written here is copied by the system",
}
_UNHEARD: dict[str, object] = {
    "block-bitmap-mapping": [],
    "direct-io": False,
    "mode": "normal",
    "tls-creds": "",
    "zero-page-detection": "multifd",
}
"""Parameters that mean nothing here, with the value at which that is no difference."""

RULES = ("before", "after")
_VERSIONS = {"before": "10.0.13", "after": "10.2.2"}


@dataclass(frozen=True)
class SendSettings:
    """Where to and how.

    Attributes
    ----------
    address : Address
        Of the destination.
    capabilities, parameters : Capabilities, MigrationParameters
        QEMU's.
    rule : str
        ``before`` or ``after``.
    qemu_version : str
        Whose syncs there are.
    """

    address: Address
    capabilities: Capabilities
    parameters: MigrationParameters
    rule: str
    qemu_version: str

    @property
    def syncs(self) -> SyncRules:
        """Which syncs there are, and which of them count."""
        return sync_rules(self.qemu_version, self.capabilities)

    def facts(self) -> dict[str, Any]:
        """Return what belongs into the provenance."""
        return {
            "uri": str(self.address),
            "rule": self.rule,
            "qemu_version": self.qemu_version,
            "parameters": self.parameters.to_qmp(changed_only=True),
            "capabilities": list(self.capabilities),
        }


def settings_of(
    uri: str | Mapping[str, Any] | list[Any],
    capabilities: Iterable[str] | None,
    parameters: MigrationParameters | Mapping[str, object] | None,
    rule: str,
    *,
    postcopy: bool,
    qemu_version: str | None = None,
) -> SendSettings:
    """Check what is asked.

    Raises
    ------
    InputError
        If a value is not valid, or they do not go together.
    """
    if rule not in RULES:
        raise InputError.of(
            f"rule {rule!r}", f"allowed {' or '.join(RULES)}", did_you_mean(rule, RULES)
        )
    address = parse_address(uri)
    wanted = _capabilities(address, capabilities, postcopy=postcopy)
    values = _parameters(parameters)
    version = _VERSIONS[rule] if qemu_version is None else qemu_version
    wanted.check(values, version)
    if "multifd" in wanted:
        check_method(values.multifd_compression)
    return SendSettings(address, wanted, values, rule, version)


def _capabilities(
    address: Address, capabilities: Iterable[str] | None, *, postcopy: bool
) -> Capabilities:
    one_way = isinstance(address, (FileAddress, ExecAddress))
    default = () if one_way else ("return-path",)
    names = set(Capabilities(default if capabilities is None else capabilities))
    if postcopy:
        names |= {"postcopy-ram"}
    for name in sorted(names.difference(SENDABLE)):
        raise InputError.of(
            f"send with {name}",
            f"{_WHY_NOT[name]}; allowed {', '.join(SENDABLE)}",
            f"leave {name} out",
        )
    _check_address(address, names, one_way=one_way)
    return Capabilities(names)


def _check_address(address: Address, names: set[str], *, one_way: bool) -> None:
    is_file = isinstance(address, FileAddress)
    if "mapped-ram" in names and not is_file:
        raise InputError.of(
            f"send to {address} with mapped-ram",
            "its pages have places of their own in a file",
            "send to file:PATH",
        )
    channels = set() if "mapped-ram" in names else {"multifd"}
    wrong = names & ({"postcopy-ram", "return-path", "switchover-ack"} | channels)
    if one_way and wrong:
        raise InputError.of(
            f"send to {address} with {', '.join(sorted(wrong))}",
            "it has no way back and one channel",
            "send to a socket, tcp: or unix:"
            + (", or add mapped-ram" if is_file and wrong == {"multifd"} else ""),
        )


def _parameters(
    given: MigrationParameters | Mapping[str, object] | None,
) -> MigrationParameters:
    values = given
    if not isinstance(values, MigrationParameters):
        values = MigrationParameters.from_qmp(values or {})
    told = values.to_qmp()
    for name, default in _UNHEARD.items():
        if told[name] != default:
            raise InputError.of(
                f"send with {name} {told[name]}", "it has no effect here", f"leave {name} out"
            )
    return values
