"""One end of a real migration: destination of a QEMU source, source of a QEMU destination."""
