"""The Textual app: combines links, state and screens."""
