"""Tests of the log: what may stand in a line."""
