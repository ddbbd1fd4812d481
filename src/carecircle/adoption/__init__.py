"""Adopting the rule of one primary provider where the data is: the check, and the change in an existing application's table."""
