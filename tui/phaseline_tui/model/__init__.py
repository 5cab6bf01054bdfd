"""The view's data model: pure, without Textual and Trio."""
