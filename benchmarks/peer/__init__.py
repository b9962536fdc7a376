"""The peer's side: run by the peer's own interpreter, which has ``eventsourcing`` and nothing of leftfold."""
