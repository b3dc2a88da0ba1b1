"""Who edits the code: the loop, its models and its tools. Knows nothing of `harness`."""
