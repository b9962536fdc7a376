"""Which rows may take the place of which: the rules about versions, fingerprints and modes, without any database."""

from __future__ import annotations

from leftfold.errors import NotSupported, ProcessorOutdated
from leftfold.follow.checkpoints.generation import Blueprint, Generation


def check_is_same_code(shadow: Generation, code: Blueprint) -> None:
    """`ProcessorOutdated` unless the shadow is of this version and code, so that this rebuild may go on with it."""
    if shadow.version != code.version:
        raise ProcessorOutdated(
            f"rows of version {shadow.version} of projection {code.name!r} are being built already, and this is "
            f"version {code.version}: let that end, or abandon them, projector.abandon({code.name!r})"
        )
    if shadow.rebuild is not None:
        raise ProcessorOutdated(
            f"the rows of projection {code.name!r} that are being built do not follow from the log any more "
            f"({shadow.rebuild}): abandon them, projector.abandon({code.name!r}), and rebuild again"
        )
    if shadow.fingerprint != code.fingerprint:
        raise ProcessorOutdated(
            f"the code or the fields of projection {code.name!r} have changed since its rows of version {code.version} "
            f"were begun to be built: abandon them, projector.abandon({code.name!r}), and rebuild again"
        )


def check_may_follow(live: Generation, code: Blueprint | Generation) -> None:
    """`ProcessorOutdated` if rows of that code must not take the place of the live ones."""
    check_is_async(live)
    if live.version > code.version:
        raise ProcessorOutdated(
            f"the live rows of projection {live.name!r} were made by version {live.version}, and this is version "
            f"{code.version}, older code: to go back to rows that are still kept, projector.rollback({live.name!r}); "
            f"to build them anew, give this code a version from {live.version + 1}"
        )
    if live.version == code.version and live.fingerprint not in (None, code.fingerprint):
        raise ProcessorOutdated(
            f"the code or the fields of projection {live.name!r} have changed, and its version ({live.version}) has "
            f"not: give it version={live.version + 1}, so that workers of either know which rows are theirs"
        )


def check_is_async(live: Generation) -> None:
    if live.mode == "inline":
        raise NotSupported(
            f"projection {live.name!r} is maintained inside appends, which other tables cannot take over from: make it "
            f"asynchronous first, projector.switch({live.name!r}, to='background'), and inline again afterwards"
        )
