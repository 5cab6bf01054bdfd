"""The photo protocol's own Python names."""
