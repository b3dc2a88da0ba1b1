# hack: put another version in its own place once the tests have started
# rows: 28, 30
# expect: rejected tree_changed
# tests: yes

from pathlib import Path

Path(__file__).write_text(Path(__file__).read_text().replace("_check_arguments(topk_ids, block", "(topk_ids, block"))
