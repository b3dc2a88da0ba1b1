"""From a verdict to a merge: the patch as a commit, what speaks for it, and judging it again elsewhere or later."""
