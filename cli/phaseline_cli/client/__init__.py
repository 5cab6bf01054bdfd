"""The commands' client: requests, the stream, and reports that wait on disk while the server is down."""
