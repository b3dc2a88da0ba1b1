"""Sessions in the forms of other programs, written for these tests: about a small `shop/cart.py` that never was."""

from __future__ import annotations

import json
from typing import Any

WORKDIR = "/home/ann/work/shop"

DIFF = """\
diff --git a/shop/cart.py b/shop/cart.py
index 1111111111111111111111111111111111111111..2222222222222222222222222222222222222222
--- a/shop/cart.py
+++ b/shop/cart.py
@@ -1,5 +1,4 @@
 def total(prices):
-    result = 0
-    for price in prices: result += price
-    return result
+    # One pass in C.
+    return sum(prices)

"""
FIRST_DIFF = DIFF.replace("+    # One pass in C.\n", "").replace("+1,4", "+1,3")
SCRATCH = """\
diff --git a/.bench_scratch/time_it.py b/.bench_scratch/time_it.py
new file mode 100644
index 0000000000000000000000000000000000000000..3333333333333333333333333333333333333333
--- /dev/null
+++ b/.bench_scratch/time_it.py
@@ -0,0 +1,2 @@
+import shop
+print(shop)
"""

HEADING = f"""\
OpenAI Codex v0.87.0 (research preview)
--------
workdir: {WORKDIR}
model: gpt-example
provider: openai
approval: never
session id: 00000000-0000-7000-8000-000000000000
--------
user
Make {WORKDIR} faster.
exec is a word that a prompt may hold.

mcp startup: no servers
"""

TRANSCRIPT = f"""\
{HEADING}
thinking
**Where does the time go**

First a look.
codex
I look at the cart first.
exec
bash -lc 'cat shop/cart.py' in {WORKDIR} succeeded in 6ms:
def total(prices):
exec
    result = 0
exec
bash -lc "mkdir -p {WORKDIR}/.bench_scratch
cat > .bench_scratch/time_it.py << 'PY'
import shop
print(shop)
PY
python3 .bench_scratch/time_it.py" in {WORKDIR} exited 1 in 1.39s:
ModuleNotFoundError: No module named 'shop'
Plan update
  ✓ Look
  → Edit
  • Measure
file update
M {WORKDIR}/shop/cart.py
@@ -2,3 +2,1 @@
-    result = 0
-    for price in prices: result += price
-    return result
+    return sum(prices)
apply_patch(auto_approved=true) exited 0 in 4ms:
Success. Updated the following files:
M shop/cart.py
file update:
{SCRATCH}{FIRST_DIFF}
exec
bash -lc 'git diff' in {WORKDIR}/shop succeeded in 2m 05s:
{FIRST_DIFF}file update:
{SCRATCH}{FIRST_DIFF}

thinking
**A comment**
exec
bash -lc finish in {WORKDIR} exited 127 in 4ms:
bash: line 1: finish: command not found
file update:
{SCRATCH}{DIFF}


codex
It is one call of `sum` now.

I did not measure it.
file update:
{SCRATCH}{DIFF}

tokens used
12,345"""

NEWER = f"""\
Reading additional input from stdin...
OpenAI Codex v0.169.0
--------
workdir: {WORKDIR}
model: gpt-example
--------
user
Make it faster.
**Looking around**

I look first.
codex
I look.
exec
/bin/bash -lc 'cat shop/cart.py' in {WORKDIR}
 succeeded in 0ms:
def total(prices):

2026-01-02T03:04:05.678901Z ERROR codex_core::tools::router: error=unsupported call: x
apply patch
patch: completed
{WORKDIR}/shop/cart.py
{DIFF}
exec
/bin/bash -lc "false; echo \\"it's
two lines\\"; exit 3" in {WORKDIR}
 exited 3 in 12ms:
it's
two lines

codex
Done.
tokens used
350
Done.
"""


def lines(*objects: dict[str, Any]) -> str:
    """JSON lines."""
    return "".join(json.dumps(each) + "\n" for each in objects)


def item(kind: str, name: str, **more: object) -> dict[str, Any]:
    """A completed item of `codex exec --json`."""
    return {"type": "item.completed", "item": {"id": name, "type": kind, **more}}


EVENTS = [
    {"type": "thread.started", "thread_id": "t"},
    {"type": "turn.started"},
    item("reasoning", "i1", text="**Thinking**"),
    item("agent_message", "i2", text="I look."),
    {"type": "item.started", "item": {"id": "i3", "type": "command_execution", "command": "bash -lc 'ls -la'"}},
    item("command_execution", "i3", command="bash -lc 'ls -la'", aggregated_output="cart.py\n", exit_code=0),
    item("file_change", "i4", changes=[{"path": f"{WORKDIR}/shop/cart.py", "kind": "update"}], status="completed"),
    item("command_execution", "i5", command="/bin/sh -c false", aggregated_output="", exit_code=1),
    item("todo_list", "i6", items=[{"text": "look", "completed": True}, {"text": "edit", "completed": False}]),
    item("hologram", "i7"),
    item("agent_message", "i8", text="Done."),
    {"type": "turn.completed", "usage": {"input_tokens": 500, "cached_input_tokens": 300, "output_tokens": 150}},
]

EDIT = """\
*** Begin Patch
*** Update File: tiny/core.py
@@
-        for _ in range(20):  # the work a first version does too often
-            square = value * value
+        square = value * value
*** End Patch"""


def rollout_line(kind: str, at: str = "2026-01-02T03:04:05.000Z", **payload: object) -> dict[str, Any]:
    """A line of a session file."""
    return {"timestamp": at, "type": kind, "payload": payload}


def _message(role: str, text: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return rollout_line("response_item", type="message", role=role, content=[{"type": kind, "text": text}])


def _call(name: str, call_id: str, arguments: object) -> dict[str, Any]:
    return rollout_line(
        "response_item", type="function_call", name=name, call_id=call_id, arguments=json.dumps(arguments)
    )


def _output(call_id: str, output: str, kind: str = "function_call_output") -> dict[str, Any]:
    return rollout_line("response_item", type=kind, call_id=call_id, output=output)


def _count(total: int) -> dict[str, Any]:
    usage = {"input_tokens": 100, "cached_input_tokens": 60, "output_tokens": 30, "reasoning_output_tokens": 20}
    info = {"total_token_usage": {"total_tokens": total}, "last_token_usage": usage}
    return rollout_line("event_msg", type="token_count", info=info)


ROLLOUT = [
    rollout_line("session_meta", id="s", cwd=WORKDIR, cli_version="0.169.0", git={"commit_hash": "c0ffee"}),
    rollout_line("turn_context", model="gpt-example"),
    _message("user", "<environment_context>\n</environment_context>"),
    _message("user", "Make it faster."),
    rollout_line("response_item", type="reasoning", summary=[{"type": "summary_text", "text": "**Hm**"}]),
    _message("assistant", "I look."),
    _call("exec_command", "c1", {"cmd": "ls", "workdir": f"{WORKDIR}/tiny"}),
    _call("update_plan", "c2", {"plan": [{"step": "edit", "status": "in_progress"}]}),
    _output("c1", "Chunk ID: 1\nWall time: 1.5000 seconds\nProcess exited with code 0\nOutput:\ncore.py\n"),
    _output("c2", "Plan updated"),
    _count(130),
    _count(130),
    rollout_line("response_item", type="custom_tool_call", name="apply_patch", call_id="c3", input=EDIT),
    _output("c3", "Exit code: 0\nWall time: 0 seconds\nOutput:\nSuccess.\n", "custom_tool_call_output"),
    _count(260),
    _call("shell", "c4", {"command": ["bash", "-lc", "exit 3"]}),
    _output("c4", json.dumps({"output": "bad", "metadata": {"exit_code": 3, "duration_seconds": 0.2}})),
    _count(390),
    _message("assistant", "Done."),
    _count(520),
    rollout_line("event_msg", type="task_complete"),
]
