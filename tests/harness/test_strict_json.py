"""JSON that goes to terminals, too, with strangers' words in it."""

import json

from harness.strict_json import strict_json


def test_nothing_in_it_acts_upon_a_terminal_and_it_reads_back_as_it_was() -> None:
    acting = [*range(0x20), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x2028, 0x202E, 0x2066, 0xFEFF]
    content = {f"key{chr(0x9B)}": "".join(map(chr, acting)), "kept": 'é 測 "\\u009b" \U0001f680'}
    text = strict_json(content)
    assert json.loads(text) == content
    assert not set(map(chr, acting)) & set(text)
    assert "é 測" in text
