"""The Textual app: links, state and screens, tied together."""
