"""Reports for the patients themselves: to whom their record was disclosed, and who looked at it."""
