"""Entry: makes this folder importable as a package of its own, so that none of the harness is loaded."""

import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
module = "serve" if sys.argv[2:3] == ["mcp"] else "command"
program = getattr(__import__(f"inside.{module}"), module)
del sys.path[0]
program.main(sys.argv[1:])
