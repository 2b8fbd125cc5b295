"""Real QEMUs on this machine: found or installed, run in pairs, recorded as captures."""
