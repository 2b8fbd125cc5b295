"""Small vocabularies whose positions are the engine's codes."""

from __future__ import annotations

from typing import Final

STATES: Final = (
    "none",
    "setup",
    "cancelling",
    "cancelled",
    "active",
    "postcopy-device",
    "postcopy-active",
    "postcopy-paused",
    "postcopy-recover-setup",
    "postcopy-recover",
    "completed",
    "failed",
    "colo",
    "pre-switchover",
    "device",
    "wait-unplug",
)
"""States of a migration: ``MigrationStatus`` of qapi/migration.json."""

OTHER_STATES: Final = ("failing",)
"""States that only other QEMU versions have (11.1), after `STATES` in every category list."""

DECISIONS: Final = ("iterate", "complete", "postcopy_start")
"""What one pass decided: migration/migration.c (migration_iteration_run)."""

SYNC_REASONS: Final = ("setup", "exact", "final", "postcopy", "timer")
"""Who asked for a dirty-bitmap sync: the callers of migration/ram.c (migration_bitmap_sync)."""

COMMANDS: Final = (
    "migrate-start-postcopy",
    "migrate-set-parameters",
    "migrate_cancel",
    "migrate-continue",
    "migrate-pause",
    "migrate-recover",
    "migrate",
    "link-change",
    "cut",
    "destination-error",
    "connect-failure",
)
"""QMP commands of a timeline, and what happens by itself: to the link, to the destination."""

REPLIES: Final = (
    "accepted",
    "no effect",
    "Postcopy migration in progress, cannot cancel.",
    "Migration not in expected state",
    "migrate-pause is currently only supported during postcopy-active or postcopy-recover state",
    "Migrate recover can only be run when postcopy is paused.",
    "Cannot resume if there is no paused migration",
    "Postcopy recovery cannot work when release-ram capability is set",
)
"""What QEMU answers to a command: migration/migration.c (qmp_migrate_*)."""

RUN_STATES: Final = (
    "running",
    "finish-migrate",
    "postmigrate",
    "inmigrate",
    "paused",
    "exited",
    "prelaunch",
)
"""States of a virtual machine: ``RunState`` of qapi/run-state.json; ``exited`` has none left."""

CHECKPOINTS: Final = (
    "src-downtime-start",
    "src-vm-stopped",
    "src-iterable-saved",
    "src-non-iterable-saved",
    "src-downtime-end",
)
"""Marks of the source's downtime: trace vmstate_downtime_checkpoint."""

DESTINATION_CHECKPOINTS: Final = (
    "dst-precopy-loadvm-completed",
    "dst-precopy-bh-enter",
    "dst-precopy-bh-announced",
    "dst-precopy-bh-vm-started",
    "dst-postcopy-bh-enter",
    "dst-postcopy-bh-cpu-synced",
    "dst-postcopy-bh-announced",
    "dst-postcopy-bh-cache-invalidated",
    "dst-postcopy-bh-vm-started",
)
"""Marks of the destination's way to a running guest: the same trace."""
