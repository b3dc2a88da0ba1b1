"""The OpenAI Codex CLI as an agent: `codex exec` in our sandbox, its model behind our gateway.

Its own sandbox is switched off (`danger-full-access`): it wants to make namespaces of its own, and ours refuses that to
everything inside, as a way out; its older one, by Landlock alone, runs commands and then fails to write the files that
its apply_patch changes. What confines it is what confines every agent here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.budget import Limits
from agent.loop import AgentOutcome
from harness.agents import AgentRequest, OnStep
from harness.external.codex_events import CodexEvents
from harness.external.model_program import ModelProgram
from harness.external.programs import find_program, first_line_of
from harness.external.session import Session, open_session
from harness.workbench import WorktreeBench

VARIABLE = "HARNESS_CODEX"
_INSTALL = f"Install it with `npm install -g @openai/codex`, or name it with {VARIABLE}."
_SERVER = "harness"


@dataclass
class CodexAgent(ModelProgram):
    """Drives one `codex exec`."""

    name: str = "codex"

    def work(
        self, workbench: WorktreeBench, prompt: str, limits: Limits, trajectory: Path, on_step: OnStep
    ) -> AgentOutcome:
        """Run it to its end, or to a limit."""
        with open_session(workbench, prompt, limits, trajectory, on_step, self.reach) as session:
            events = CodexEvents(session.record, session.root, _SERVER)
            # Not below TMPDIR, where it refuses to put its helpers and then cannot run its own apply_patch.
            codex_home = session.home / ".codex"
            codex_home.mkdir(parents=True, exist_ok=True)
            ran = session.run(
                [*self.program.line, *self._arguments(session)],
                readable=self.program.readable,
                environment={"CODEX_HOME": str(codex_home)},
                stdin=session.prompt,
                on_line=events.add,
            )
            failure = events.failure
            if failure is None and ran.exit_code not in (0, None) and not events.turns:
                failure = f"codex ended with exit code {ran.exit_code}: {ran.last_line}"
            return session.end(ran, detail=events.message, error=failure)

    def _arguments(self, session: Session) -> list[str]:
        settings: dict[str, object] = {
            "model_provider": _SERVER,
            f"model_providers.{_SERVER}": {
                "name": _SERVER,
                "base_url": session.environment()["OPENAI_BASE_URL"],
                "wire_api": "responses",
                "env_key": "OPENAI_API_KEY",
                "request_max_retries": 2,
                "stream_max_retries": 2,
            },
            f"mcp_servers.{_SERVER}": {
                "command": session.tools.mcp_command[0],
                "args": session.tools.mcp_command[1:],
                # A measurement may take minutes; what is left of the attempt is limit enough.
                "tool_timeout_sec": max(60, int(session.budget.limits.seconds)),
            },
            "approval_policy": "never",
            "web_search": "disabled",
            "check_for_update_on_startup": False,
            "analytics.enabled": False,
            # Its commands get the environment of every command here, and nothing that asks a model.
            "shell_environment_policy": {
                "inherit": "all",
                "ignore_default_excludes": True,
                "exclude": ["OPENAI_*"],
            },
        }
        return [
            "exec",
            "--json",
            "--ephemeral",
            "--ignore-user-config",
            "--skip-git-repo-check",
            *("--sandbox", "danger-full-access"),
            *("--cd", str(session.root)),
            *("--model", str(self.model)),
            *(word for key, value in settings.items() for word in ("-c", f"{key}={toml(value)}")),
            *("--disable", "multi_agent", "--disable", "goals"),
            "-",  # the prompt is on standard input
        ]


def make_codex(request: AgentRequest) -> CodexAgent:
    """The agent of `--agent codex`.

    Raises:
        UsageError: Codex is not installed or does not start, or it has no model or no key.
    """
    request.refuse_argument()
    program = find_program("codex", variable=VARIABLE, remedy=_INSTALL)
    reach = request.reach(needs_model=True)
    return CodexAgent(request.model, program, reach, first_line_of(program, "--version", remedy=_INSTALL))


def toml(value: object) -> str:
    """A value as TOML writes it in one line. Strings, numbers and booleans are written as in JSON."""
    if isinstance(value, Mapping):
        return (
            "{"
            + ", ".join(f"{json.dumps(key, ensure_ascii=False)} = {toml(each)}" for key, each in value.items())
            + "}"
        )
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(toml(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)
