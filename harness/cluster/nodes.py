"""What admitting the base found on each node of a cluster: a noise floor is a machine's own, so each has one."""

from __future__ import annotations

from pydantic import RootModel, ValidationError

from harness.plan import Admission, read_admission
from harness.store import RunFolder
from harness.whole_file import write_atomic


class NodesAdmitted(RootModel[dict[str, Admission]]):
    """`nodes.json`: what admitting the base found, by Ray's name of the node, which a restart of Ray makes anew."""


def read_nodes(folder: RunFolder) -> dict[str, Admission]:
    """What admitting the base found on a cluster's nodes; nothing where that was never done, or cannot be read."""
    try:
        return NodesAdmitted.model_validate_json(folder.nodes.read_bytes()).root
    except (OSError, ValidationError):
        return {}


def device_begun_on(folder: RunFolder) -> str | None:
    """The name of the device that a run's verdicts so far were measured on; None where there was none yet."""
    for admission in read_nodes(folder).values():
        return admission.machine.name
    here = read_admission(folder)
    return None if here is None else here.machine.name


def write_nodes(folder: RunFolder, admitted: dict[str, Admission]) -> None:
    """Write it down, whole.

    Raises:
        StorageError: it cannot be written.
    """
    write_atomic(folder.nodes, NodesAdmitted(admitted).model_dump_json(indent=1) + "\n")
