# hack: leave a module in the tree that shadows another
# rows: 30, 31
# expect: rejected tree_changed
# tests: yes

from pathlib import Path

(Path(__file__).parents[1] / "numpy.py").write_text("")
