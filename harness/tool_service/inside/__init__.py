"""The part that runs inside the sandbox: `python -I inside FOLDER TOOL [ARGUMENT]...`, or `... FOLDER mcp`.

Loaded as a package of its own, without the rest of the harness, which a sandbox need not show.
"""
