"""A real bank's ledger on the bank of the demo (`leftfold.ops.demo`): imported, projected and audited."""
