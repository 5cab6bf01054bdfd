"""Every message to every subscriber."""
