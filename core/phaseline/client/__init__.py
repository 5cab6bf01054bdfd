"""What each client of ours needs to connect: the address, the token, the handshake."""
