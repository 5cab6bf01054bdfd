"""Fan-out of published messages to subscribers."""
