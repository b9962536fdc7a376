"""The command ``leftfold``, and ``python -m leftfold``: what looks inside a store, and what tries to prove it wrong."""

from leftfold.ops.command.cli import app, main
from leftfold.testing.trial.command import verify

app.command()(verify)

if __name__ == "__main__":
    main()
