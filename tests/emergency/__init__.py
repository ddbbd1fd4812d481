"""Tests of breaking the glass: opening, deciding, ending, reading and reviewing emergency access."""
