"""Other people's agents behind our protocol: each edits a worktree in the sandbox and is judged by its diff alone."""
