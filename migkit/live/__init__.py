"""One end of a real migration: a destination for a QEMU source, a source for a QEMU destination."""
