"""The user's files: settings, key bindings, tokens, and the state kept between sessions."""
