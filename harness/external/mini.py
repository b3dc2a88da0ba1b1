"""mini-swe-agent as an agent: the `mini` command, from an environment of its own, its model behind our gateway.

It pins an older OpenAI client than ours, so it cannot be installed beside the harness. It confines nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.budget import Limits
from agent.loop import AgentOutcome
from harness.agents import AgentRequest, OnStep
from harness.external.mini_messages import MiniMessages
from harness.external.model_program import ModelProgram
from harness.external.programs import Program, find_program, first_line_of
from harness.external.session import Session, open_session
from harness.workbench import WorktreeBench

VARIABLE = "HARNESS_MINI"
# Without `mcp` its client for models waits for ever instead of saying that a package is missing.
_INSTALL = f"Install it with `pipx install mini-swe-agent; pipx inject mini-swe-agent mcp`, or name it with {VARIABLE}."
_VERSION = "import importlib.metadata as m; print(m.version('mini-swe-agent'))"
_LOOK_TICKS = 25


@dataclass
class MiniAgent(ModelProgram):
    """Drives one `mini`."""

    name: str = "mini"

    def work(
        self, workbench: WorktreeBench, prompt: str, limits: Limits, trajectory: Path, on_step: OnStep
    ) -> AgentOutcome:
        """Run it to its end, or to a limit."""
        with open_session(workbench, prompt, limits, trajectory, on_step, self.reach) as session:
            output = session.scratch / "mini.traj.json"
            messages = MiniMessages(session.record, output)
            ticks = 0

            def look_now_and_then() -> None:
                nonlocal ticks
                ticks += 1
                if ticks % _LOOK_TICKS == 0:
                    messages.look()

            ran = session.run(
                [*self.program.line, *self._arguments(session, prompt, output, limits)],
                readable=self.program.readable,
                environment=self._environment(session),
                on_tick=look_now_and_then,
            )
            messages.look()
            if messages.has_submitted:
                return session.end(ran, detail=messages.submission)
            error = messages.error or (ran.last_line if ran.exit_code else "")
            failure = f"{messages.exit_status or 'mini ended early'}: {error}" if error else None
            return session.end(ran, error=failure)

    def _arguments(self, session: Session, prompt: str, output: Path, limits: Limits) -> list[str]:
        settings = {
            "model.model_kwargs.api_base": session.environment()["OPENAI_BASE_URL"],
            # The ledger is the gateway's: limits of its own would end it in words that we could not tell apart.
            "model.cost_tracking": "ignore_errors",
            "agent.cost_limit": 0,
            "agent.step_limit": 0,
            # A measurement takes longer than the half minute that it gives to a command.
            "environment.timeout": int(limits.seconds) + 1,
        }
        return [
            "--yolo",
            "--exit-immediately",
            *("--model", f"openai/{str(self.model).removeprefix('openai/')}"),
            *("--config", "mini.yaml"),
            *(word for key, value in settings.items() for word in ("--config", f"{key}={value}")),
            *("--output", str(output)),
            f"--task={prompt}",
        ]

    def _environment(self, session: Session) -> dict[str, str]:
        return {
            "MSWEA_CONFIGURED": "true",
            "MSWEA_SILENT_STARTUP": "1",
            "MSWEA_GLOBAL_CONFIG_DIR": str(session.home / ".mini"),
            "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "3",
            # Prices would be fetched from the network, which is closed; ours are used.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }


def make_mini(request: AgentRequest) -> MiniAgent:
    """The agent of `--agent mini`.

    Raises:
        UsageError: it is not installed or does not start, or it has no model or no key.
    """
    request.refuse_argument()
    program = find_program("mini", variable=VARIABLE, remedy=_INSTALL)
    reach = request.reach(needs_model=True)
    # It has no --version; its interpreter, which its first line names, knows.
    python = Program(program.line[:1], program.readable)
    version = first_line_of(python, "-c", _VERSION, remedy=_INSTALL)
    return MiniAgent(request.model, program, reach, f"mini-swe-agent {version}")
