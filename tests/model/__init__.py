"""What carecircle means, said a second time and simply, and the means to hold the real one against it."""
