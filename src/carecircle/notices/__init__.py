"""Telling people: what is due stands in the outbox, and leaves it by mail, by webhook or as a step to be taken."""
