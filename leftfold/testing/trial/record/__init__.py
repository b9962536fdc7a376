"""What a trial writes down: calls, answers and facts."""
