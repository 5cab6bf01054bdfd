"""Code that Phaseline's own clients share to connect: the address, the token, the handshake."""
