"""Which parts of a patch carry its gain, and the smallest patch that keeps it (`harness ablate`).

`parts` takes the patch apart, `trials` judges it without some of them against the whole one, `search` decides which
ones are left out, `loss` says what a measurement means, and `ablate` does it from top to bottom.
"""
