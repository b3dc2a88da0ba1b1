"""What the harness itself costs. `make bench` runs all; figures are printed, nothing is asserted."""
