"""What the commands need of a server: requests, the stream, and reports that wait on disk while it is away."""
