"""The terminal itself: title, graphics, encoding, its end."""
