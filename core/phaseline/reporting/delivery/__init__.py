"""Delivery of reports in a background thread: queue, spool, connection."""
