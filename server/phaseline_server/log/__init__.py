"""The log of events: numbered, kept on disk, read back."""
