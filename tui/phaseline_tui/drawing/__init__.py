"""How things look, as pure functions from a job and a time to lines of styled text; no Textual but its colours."""
