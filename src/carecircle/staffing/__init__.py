"""What crosses rooms when people come and go: handing over a panel, offboarding, capacities, gaps, conflicts resolved."""
