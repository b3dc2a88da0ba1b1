"""A first draft of a task from the code of a repository: task file, bench, sealed reference, hidden tests."""
