"""The command line: a door. It reads arguments, calls the rooms, prints answers; it decides nothing."""
