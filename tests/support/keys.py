"""One RSA key for all tests of a process: making one takes a while."""

from __future__ import annotations

import functools

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@functools.cache
def private_key() -> str:
    """Return a private key as GitHub hands it out: RSA, PEM, no passphrase."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
