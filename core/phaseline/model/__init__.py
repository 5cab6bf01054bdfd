"""Jobs, phases and events: pure data and rules, without I/O."""
