"""Tests of standing in for a colleague."""
