"""The widgets of the screens. Each stores its lines and repaints the ones that changed."""
