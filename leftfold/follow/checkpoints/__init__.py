"""What the database keeps of processors: generations, partitions, parked events, workers, audit."""
