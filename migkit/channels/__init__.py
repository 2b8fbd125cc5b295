"""Byte channels between two processes, addressed as QEMU addresses them."""
