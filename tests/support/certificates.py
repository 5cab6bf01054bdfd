"""Certificates for tests, made by openssl."""

import hashlib
import ssl
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """The paths of a certificate, signed by itself, and of its key."""

    certificate: Path
    key: Path

    def trusted(self) -> ssl.SSLContext:
        """Return the part that a client needs in order to trust it."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def key_hash(self) -> str:
        """Return the SHA-256 of the public key, by which Chromium trusts a certificate."""
        text = subprocess.run(
            ["openssl", "x509", "-in", str(self.certificate), "-noout", "-pubkey"], check=True, capture_output=True
        ).stdout
        der = ssl.PEM_cert_to_DER_cert(text.decode().replace("PUBLIC KEY", "CERTIFICATE"))
        return b64encode(hashlib.sha256(der).digest()).decode()


def make_certificate(directory: Path, name: str = "server", hosts: str = "DNS:localhost,IP:127.0.0.1") -> Certificate:
    """Make one for `hosts`, or replace it."""
    made = Certificate(directory / f"{name}.pem", directory / f"{name}.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", f"subjectAltName={hosts}"]
    command += ["-keyout", str(made.key), "-out", str(made.certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return made
