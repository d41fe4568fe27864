"""Signing keys: rows A2 and A12 of the security checklist, and F2 where keys are concerned."""

from __future__ import annotations

import copy
import pickle
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.adapters.key_pair import InvalidKeys, KeyPair, generate, thumbprint
from counterfoil.adapters.key_ring import load
from counterfoil.adapters.keys import LocalKeys
from counterfoil.effects import Algorithm, FrozenDict, InvalidInput, PublicKey, freeze_object

START = 1_800_000_000_000
HOUR, DAY = 3_600_000, 86_400_000
PASSPHRASE = b"canary passphrase of thirty-odd bytes"
ALGORITHMS: tuple[Algorithm, ...] = ("EdDSA", "ES256", "RS256")

# RFC 7518, 6: of the kinds that sign here, these members are private.
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

ED25519 = generate("EdDSA")
P256 = generate("ES256")


# --- A2 ----------------------------------------------------------------------------------------

NO_KEYS = {
    "nothing": b"",
    "8 bytes": bytes(8),
    "31 bytes": bytes(31),
    "an HMAC key": bytes(range(32)),
    "a public key in DER": ED25519.public.der,
    "a JWK": b'{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}',
    "a JWK after a BOM": b'\xef\xbb\xbf{"kty":"oct","k":"AAAA"}',
    "an SSH key": b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxvY2Fs",
    "a PEM of garbage": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
}


@pytest.mark.parametrize("material", NO_KEYS.values(), ids=NO_KEYS.keys())
def test_a2_what_is_no_private_key_is_refused_when_the_signer_is_built(material: bytes) -> None:
    with pytest.raises(InvalidKeys):
        LocalKeys.from_pem(material)
    with pytest.raises(InvalidKeys):
        KeyPair(public=ED25519.public, private=material)


@pytest.mark.parametrize("der", [b"", bytes(32), ED25519.private, P256.public.der[:-1]])
def test_a2_what_is_no_public_key_is_refused_when_the_pair_is_built(der: bytes) -> None:
    public = PublicKey(kid=ED25519.public.kid, algorithm="EdDSA", der=der)
    with pytest.raises(InvalidKeys):
        KeyPair(public=public, private=ED25519.private)


@pytest.mark.parametrize("algorithm", ["HS256", "none", "NONE", "eddsa", "RS512", "", None])
def test_a2_only_the_three_algorithms_can_be_asked_for(algorithm: object) -> None:
    with pytest.raises(InvalidInput):
        LocalKeys.in_memory(algorithm=cast("Any", algorithm))


def test_a2_a_key_signs_by_the_algorithm_of_its_type_only() -> None:
    for pair, other in ((ED25519, "ES256"), (P256, "RS256"), (ED25519, "RS256")):
        public = PublicKey(
            kid=pair.public.kid, algorithm=cast("Algorithm", other), der=pair.public.der
        )
        with pytest.raises(InvalidKeys):
            KeyPair(public=public, private=pair.private)


# --- A12 ---------------------------------------------------------------------------------------


def test_a12_the_thumbprint_is_that_of_rfc_7638() -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
        "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0"
        "_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWh"
        "AI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    members = {"kty": "RSA", "n": modulus, "e": "AQAB"}
    assert thumbprint(members) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a12_the_jwks_has_no_private_member(algorithm: Algorithm, passphrase: bytes | None) -> None:
    keys = LocalKeys.in_memory(algorithm=algorithm, passphrase=passphrase)
    keys.rotate()
    published = keys.jwks()["keys"]
    assert len(published) == 2
    for jwk in published:
        assert not PRIVATE_MEMBERS & jwk.keys()
        assert jwk["use"] == "sig"
        required = {"kty", "crv", "x", "y", "n", "e"} & jwk.keys()
        assert jwk.keys() == required | {"kid", "alg", "use"}
        assert jwk["kid"] == thumbprint({name: jwk[name] for name in required})


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, DAY + 2 * HOUR), st.booleans()), max_size=10))
def test_a12_every_live_token_verifies_at_every_step_and_the_newest_key_signs(
    history: list[tuple[int, bool]],
) -> None:
    now = [START]
    keys = LocalKeys.in_memory(clock=lambda: now[0])
    first = keys.public_keys()[0].kid
    signed: list[tuple[str, int]] = []
    seen = {first: START}
    for step, rotate in history:
        now[0] += step
        if rotate:
            keys.rotate()
        published = {key.kid: key for key in keys.public_keys()}
        for kid in published:
            seen.setdefault(kid, now[0])
        token = keys.sign(FrozenDict())
        kid = str(jwt.get_unverified_header(token)["kid"])
        ready = [kid for kid in published if kid == first or seen[kid] + HOUR <= now[0]]
        assert kid == ready[-1]
        signed.append((token, now[0]))
        for token, at in signed:
            if now[0] < at + DAY:
                key = published[str(jwt.get_unverified_header(token)["kid"])]
                public = cast("Ed25519PublicKey", load_der_public_key(key.der))
                jwt.decode(token, public, algorithms=["EdDSA"])


# --- F2, for keys ------------------------------------------------------------------------------


def _secrets_of(pem: bytes, passphrase: bytes | None) -> list[str]:
    """Every text that would give a private key away: its PEM lines, and the key unencrypted."""
    key = cast("Any", load_pem_private_key(pem, passphrase))
    raw: bytes = key.private_bytes_raw()
    return [*pem.decode().splitlines()[1:-1], raw.hex(), repr(raw)]


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_f2_no_repr_shows_a_private_key_or_the_passphrase(
    tmp_path: Path, passphrase: bytes | None
) -> None:
    path = tmp_path / "keys.json"
    keys = LocalKeys.in_file(path, passphrase=passphrase)
    new = keys.rotate()
    keys.sign(FrozenDict())
    memory = LocalKeys.from_pem(new.pair.private, passphrase=passphrase)
    view = cast("Any", keys)._view
    things = [keys, keys.store, view, view.known, new, new.pair, load(path.read_bytes())]
    things += [keys.public_keys(), keys.jwks(), memory, memory.store, cast("Any", memory)._view]
    shown = "\n".join(f"{thing!r} {thing!s} {thing}" for thing in things)
    for kept in load(path.read_bytes()).keys:
        for secret in _secrets_of(kept.pair.private, passphrase):
            assert secret not in shown
    assert PASSPHRASE.decode() not in shown


def test_f2_no_error_shows_a_private_key_or_the_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = LocalKeys.in_file(path, passphrase=PASSPHRASE, lead=timedelta(minutes=1))
    keys.rotate()
    kept = path.read_bytes()
    secrets = [
        line for key in load(kept).keys for line in _secrets_of(key.pair.private, PASSPHRASE)
    ]
    told = ""
    for damage in (kept[:-5], kept.replace(b"EdDSA", b"RS256"), kept.replace(b"MI", b"AA"), kept):
        path.write_bytes(damage)
        wrong = LocalKeys.in_file(path, passphrase=PASSPHRASE[::-1])
        with pytest.raises(InvalidKeys) as caught:
            wrong.sign(freeze_object({"sub": "u-1"}))
        told += "".join(traceback.format_exception(caught.value))
        error: BaseException | None = caught.value
        while error is not None:
            told += f"{error!r} {vars(error)}"
            error = error.__cause__ or error.__context__
    assert "keys.json" in told
    for secret in [*secrets, PASSPHRASE.decode(), PASSPHRASE[::-1].decode()]:
        assert secret not in told


def test_f2_a_signer_can_not_be_pickled_or_copied() -> None:
    keys = LocalKeys.in_memory()
    keys.public_keys()
    with pytest.raises(TypeError):
        pickle.dumps(keys)
    with pytest.raises(TypeError):
        copy.deepcopy(keys)
