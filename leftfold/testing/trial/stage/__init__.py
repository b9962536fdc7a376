"""Where a trial takes place: the plan, the store and its processes."""
