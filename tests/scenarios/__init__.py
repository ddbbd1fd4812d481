"""Stories of a hospital, readable by anybody, each replayed through every door and through the reference model."""
