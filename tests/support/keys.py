"""RSA keys that all tests of a process share: making one takes a while."""

from __future__ import annotations

import functools
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from runners.local.hub.auth import new_key_pair
from runners.local.hub.hub import Hub
from runners.local.hub.seed import Ready, Setup, set_up


@functools.cache
def private_key() -> str:
    """Return a private key as GitHub hands it out: RSA, PEM, no passphrase."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def set_up_with_one_key(hub: Hub, setup: Setup) -> Ready:
    """Set a hub up as the product does, but give its App the key that the Apps of all hubs share."""
    with patch("runners.local.hub.hub.new_key_pair", _key_pair):
        return set_up(hub, setup)


@functools.cache
def _key_pair() -> tuple[str, str]:
    return new_key_pair()
