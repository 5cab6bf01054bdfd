"""What earlier runs teach: durations, scores, habits."""
