"""Long-running proofs: each is started as a module, says how far it is on stderr and its figure on stdout's last line."""
