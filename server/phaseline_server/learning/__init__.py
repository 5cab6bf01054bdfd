"""Statistics of earlier runs: durations, scores of estimates, and gaps between reports."""
