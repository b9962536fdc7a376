"""What the doctor does when asked to: begin an epoch, put right what can be, judge a checkpoint from elsewhere."""

from __future__ import annotations

from rich.console import Console

from leftfold.checkpoint import Checkpoint
from leftfold.doors.step import step, step_inside
from leftfold.errors import InvalidArgument
from leftfold.log.epochs import begin_epoch
from leftfold.ops.command import display
from leftfold.ops.doctor.epochs import examine_checkpoint, repairs
from leftfold.ops.doctor.finding import Finding
from leftfold.ops.opening import opened


def examine_given(url: str, text: str) -> Finding:
    """Whether a follower may go on from a checkpoint."""
    checkpoint = Checkpoint.parse(text)
    with step_inside(opened(url)) as log:
        return step(examine_checkpoint(log, checkpoint))


def show_epoch(console: Console, url: str, new_epoch: bool, new_identity: bool, reason: str) -> None:
    """Begin an epoch, and say so."""
    if new_epoch and new_identity:
        raise InvalidArgument("--new-identity begins a new epoch, too: leave --new-epoch out")
    if not reason.strip():
        raise InvalidArgument("say why with --reason, such as --reason 'restored the backup of Monday'")
    with step_inside(opened(url)) as log:
        epoch = step(begin_epoch(log.database, reason.strip(), new_store=new_identity))
    said = f"epoch {epoch.number} of store {epoch.store} begins behind position {epoch.position:,}\n"
    console.print(said, highlight=False, markup=False)


def show_repairs(console: Console, url: str, *, do: bool) -> None:
    """Say what is to be put right, and do it if asked."""
    with step_inside(opened(url)) as log:
        found = step(repairs(log, do=do))
    for repair in found:
        console.print(f"{'done' if do else 'to do'}: {display.printable(repair)}", highlight=False, markup=False)
    console.print(("" if do else "--yes does it\n") if found else "nothing to repair\n", highlight=False)
