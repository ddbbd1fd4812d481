"""Tests of carecircle, on a real PostgreSQL, as the roles that serve."""
