"""What a trial's workers do."""
