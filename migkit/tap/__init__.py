"""A relay between two QEMUs that counts what passes, and can hold it back or cut it."""
