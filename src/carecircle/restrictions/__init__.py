"""What takes access away: a patient's objection to a person, a suspended provider, a sensitivity label."""
