"""A hospital group that never existed, to look around in: invented from a fixed number, the same every time."""
