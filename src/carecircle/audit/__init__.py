"""The audit trail: entries, appended and never changed."""
