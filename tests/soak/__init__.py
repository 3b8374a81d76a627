"""The campaign: every fault at every point of a turn's life (docs/reliability.md). `python -m tests.soak`."""
