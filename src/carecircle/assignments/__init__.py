"""Direct assignments: primary, consulting, attending, admitting, emergency."""
