"""Breaking the glass: emergency access, who decides about it, and what is told and reviewed afterwards."""
