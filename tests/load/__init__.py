"""Faults, load and scale on real servers: one command for each script, `python -m tests.load`."""
