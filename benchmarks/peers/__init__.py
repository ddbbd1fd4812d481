"""Other engines on the same workload, each installed into a throw-away environment under .carecircle/bench when it is asked for."""
