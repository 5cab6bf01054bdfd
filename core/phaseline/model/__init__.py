"""A job, its phases and events: pure data and rules, no I/O."""
