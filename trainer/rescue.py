"""Back to before a turning point, and on from there another way.

The service confirms a turning point, or a person sees one, and the run is commanded to go back. What then
happens, in this order, can be broken off anywhere: once ``run.json`` says where the training goes on from and
with what settings, whoever takes it up does the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from monitor.protocol import Remedy
from trainer.checkpoint import Checkpoint, CheckpointDirectory
from trainer.config import Config
from trainer.errors import ExhaustedError, RescueError
from trainer.overrides import differences
from trainer.training_directory import GoingBack, RunRecord, TrainingDirectory


class Asking(Protocol):
    """As much of a command as tells where to go back to."""

    @property
    def id(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class WayBack:
    """Where a training goes back to, and what it does otherwise from there."""

    going_back: GoingBack
    config: Config
    checkpoint: Checkpoint


def find_way_back(command: Asking, config: Config, checkpoints: CheckpointDirectory) -> WayBack:
    """The last whole checkpoint from before the onset, and the next remedy; an error where there is none."""
    onset = command.parameters.get("onset_step")
    if not isinstance(onset, int):
        raise RescueError(
            "nobody knows when it turned: pass parameters.onset_step, the step to go back to before"
        )
    if not config.remedies:
        # A person who asks in vain does not want it stopped.
        problem = ExhaustedError if command.parameters.get("automatic") else RescueError
        raise problem("every remedy was taken: add to rescue.remedies")
    rescued = config.rescued()
    checkpoint = checkpoints.newest(before=onset)
    if checkpoint is None:
        raise RescueError(f"no checkpoint from before step {onset} is left in {checkpoints.path.absolute()}")
    assert rescued.remedy is not None
    settings = {name: now for name, (_, now) in differences(config, rescued).items() if name != "rollbacks"}
    reason = f"went back to before the turning point at step {onset}, remedy: {rescued.remedy}"
    going_back = GoingBack(checkpoint.step, reason, rescued.remedy, settings, command.id)
    return WayBack(going_back, rescued, gone_back(checkpoint, rescued))


def as_elsewhere(record: RunRecord, remedies: Sequence[Remedy]) -> RunRecord:
    """With the remedies that the run took on another machine, if there are more of them than here."""
    if len(remedies) <= record.settings.get("rollbacks", 0):
        return record
    changed = {name: value for remedy in remedies for name, value in remedy.settings.items()}
    settings = record.settings | changed | {"rollbacks": len(remedies)}
    return replace(record, settings=settings, going_back=None)


def gone_back(checkpoint: Checkpoint, config: Config) -> Checkpoint:
    """The checkpoint as a training that went back to it begins from it, with a configuration of its own."""
    # Or the same latents, batches and points of a penalty would lead to the same turn.
    anew = {"latents", "objective"}
    if config.critic != checkpoint.config.critic:
        anew.add("critic")
    if config.remedy != "rollback" and config.rescue.optimizers == "fresh":
        anew |= {"optimizer_G", "optimizer_D"}
    return replace(checkpoint, anew=frozenset(anew))


def decide(way: WayBack, directory: TrainingDirectory, record: RunRecord) -> RunRecord:
    """Make it last, and put what is given up out of the way."""
    remedied = way.going_back.settings | {"rollbacks": way.config.rollbacks}
    record = replace(record, settings=record.settings | remedied, going_back=way.going_back)
    directory.write_record(record)
    directory.checkpoints.set_aside(after=way.going_back.step)
    return record
