"""The bound of every wait in the tests."""

LIMIT_S = 60.0
"""Seconds after which whatever a test waits for has failed. Far above what anything takes."""
