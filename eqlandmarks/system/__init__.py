"""The machine: files, locks, signals, streams, and the log."""
