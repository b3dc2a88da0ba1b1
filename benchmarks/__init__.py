"""What the harness itself costs (`make bench`), and how implementations of MoE alignment compare. Asserts nothing."""
