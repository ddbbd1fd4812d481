"""Other systems: what they send us, and what we send them."""
