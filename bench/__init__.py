"""The benchmark: the reference server and Tempest on one machine, the same workload on both by turns."""
