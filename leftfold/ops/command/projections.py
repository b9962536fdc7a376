"""``leftfold projections …``: what is done to rows. Build them anew, go back, switch who maintains them."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from leftfold.ops.command.arguments import Name, Target, Who, Why, projector_of
from leftfold.ops.command.loading import store_of
from leftfold.ops.command.rebuild import abandon, accept_changes, drop_former, rebuild, rollback

projections = typer.Typer(no_args_is_help=True, help="Rebuild a projection's rows, go back, switch it to inline.")
for act in (rebuild, rollback, drop_former, abandon, accept_changes):
    projections.command()(act)


@projections.command()
def switch(
    target: Target,
    name: Name,
    to: Annotated[Literal["inline", "background"], typer.Option(help="Who maintains it: appends, or workers.")],
    why: Why = "",
    who: Who = None,
) -> None:
    """Have every append maintain a projection in its own transaction, or workers again."""
    with store_of(target) as (store, app):
        projector = projector_of(store, app) if to == "inline" else store.projector([])
        projector.switch(name, to=to, why=why, who=who)
    if to == "inline":
        print(f"appends maintain {name} from now on: connect anew, with inline=[…]")
    else:
        print(f"workers maintain {name} from now on: connect anew, without it in inline=[…]")
