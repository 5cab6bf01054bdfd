"""What belongs to the user: settings, keys, tokens, what is remembered."""
