"""What the agents share that are somebody's program with a model behind our gateway."""

from __future__ import annotations

from dataclasses import dataclass

from harness.external.programs import Program
from harness.external.reach import Reach


@dataclass
class ModelProgram:
    """A program that edits, and the model it asks.

    Attributes:
        model: the model's name.
        program: what is started.
        reach: its model's endpoint.
        version: the program's, as it calls itself.
    """

    model: str | None
    program: Program
    reach: Reach
    version: str | None
    name: str = ""
    note: str | None = None
    own_tools: bool = True
