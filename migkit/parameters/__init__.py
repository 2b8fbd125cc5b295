"""Parameters and capabilities by QEMU's names, checked as QEMU checks them."""

from migkit.parameters.migration import (
    PARAMETERS,
    MigrationParameters,
    ParameterInfo,
    check_names,
)

__all__ = ["PARAMETERS", "MigrationParameters", "ParameterInfo", "check_names"]
