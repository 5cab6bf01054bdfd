"""Delivery of reports in a background thread: inbox, spool, connection."""
