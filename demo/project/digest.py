"""How the stand-ins for the outside world keep and compare their customers' secrets."""

from hashlib import sha256
from hmac import compare_digest


def digest_of(secret: str) -> str:
    """Return the SHA-256 digest of ``secret`` in hex; good enough for long random secrets, as the demo's are."""
    return sha256(secret.encode()).hexdigest()


def matches(given: str, digest: str) -> bool:
    """Say whether ``given`` is the secret with this ``digest``, in constant time."""
    return compare_digest(digest_of(given), digest)
