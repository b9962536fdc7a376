"""Applications that show how leftfold is meant to be used."""
