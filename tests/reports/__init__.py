"""Tests of the reports for patients."""
