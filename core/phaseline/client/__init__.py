"""Connection code that Phaseline's own clients share: address, token and handshake."""
