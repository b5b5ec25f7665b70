"""Envelopes: what goes in comes out for the named key alone, and a byte changed, left out or cut off is noticed."""

import io
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from warehouse import envelope
from warehouse.envelope import Envelope, EnvelopeError

KEY = X25519PrivateKey.generate()
CHUNK = 64 * 1024
HEADER = len(envelope.MAGIC) + 64


def _sealed(text: bytes) -> bytes:
    target = io.BytesIO()
    sealing = Envelope(target, KEY.public_key())
    for start in range(0, len(text), 50_000):
        sealing.write(text[start : start + 50_000])
    sealing.seal()
    return target.getvalue()


def _open(sealed: bytes, key: X25519PrivateKey = KEY) -> bytes:
    return b"".join(envelope.opened(io.BytesIO(sealed), key))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 200_001])
def test_what_goes_in_comes_out(size: int) -> None:
    """Of any size; and twice the same is never the same envelope."""
    text = bytes(range(256)) * (size // 256 + 1)
    sealed = _sealed(text[:size])
    assert _open(sealed) == text[:size]
    assert sealed != _sealed(text[:size])
    assert size == 0 or text[: min(size, 64)] not in sealed or size < 16


@pytest.mark.clause("VA-5.4")
@pytest.mark.parametrize("change", ["cut", "cut at a chunk", "byte", "header", "swap", "double", "more", "another key"])
def test_what_was_changed_opens_for_nobody(change: str) -> None:
    """Whatever was done to it, and whoever tries with another key."""
    sealed, whole = _sealed(b"figures " * 30_000), CHUNK + 16
    first, second = sealed[HEADER : HEADER + whole], sealed[HEADER + whole : HEADER + 2 * whole]
    rest = sealed[HEADER + 2 * whole :]
    changed = {
        "cut": sealed[:-1],
        "cut at a chunk": sealed[: HEADER + 2 * whole],
        "byte": sealed[:-20] + bytes([sealed[-20] ^ 1]) + sealed[-19:],
        "header": sealed[:30] + bytes([sealed[30] ^ 1]) + sealed[31:],
        "swap": sealed[:HEADER] + second + first + rest,
        "double": sealed[:HEADER] + first + first + second + rest,
        "more": sealed + rest,
        "another key": sealed,
    }[change]
    with pytest.raises(EnvelopeError):
        _open(changed, X25519PrivateKey.generate() if change == "another key" else KEY)
    assert _open(sealed) == b"figures " * 30_000


def test_a_key_is_a_key_of_its_kind(tmp_path: Path) -> None:
    """A private key is not taken for a public one, nor one of another kind, nor a text."""
    pem, raw = serialization.Encoding.PEM, serialization.NoEncryption()
    private = KEY.private_bytes(pem, serialization.PrivateFormat.PKCS8, raw)
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    files = {
        "private": private,
        "ed25519": Ed25519PrivateKey.generate().public_key().public_bytes(pem, spki),
        "text": b"a word",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(EnvelopeError, match="no public X25519 key"):
            envelope.public_key(tmp_path / name)
    (tmp_path / "public").write_bytes(KEY.public_key().public_bytes(pem, spki))
    read = envelope.public_key(tmp_path / "public")
    assert envelope.fingerprint(read) == envelope.fingerprint(KEY.public_key())
    with pytest.raises(EnvelopeError, match="no private X25519 key"):
        envelope.private_key(tmp_path / "public")
