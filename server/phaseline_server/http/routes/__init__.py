"""The route handlers, grouped by topic. Each decodes the request, calls the service and encodes the response."""
