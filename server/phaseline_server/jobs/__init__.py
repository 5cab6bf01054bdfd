"""The jobs of a server: the one writer, its checks, and what it sends."""
