"""The decision: the circle as one relation, the statement that decides and records, and the questions put to it."""
