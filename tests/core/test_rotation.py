"""Refresh tokens: their form to the bit, and the rule over its whole finite table."""

import hashlib
import hmac
import itertools
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import (
    FrozenDict,
    RefreshToken,
    SameSuccessor,
    Secret,
    SessionRecord,
    Theft,
    Verdict,
)
from counterfoil.core.examples import example_record
from counterfoil.core.rotation import (
    TOKEN_CHARACTERS,
    child_of,
    digest,
    mint,
    parse,
    promoted,
    rotated,
    successor,
)

SECRETS = st.binary(min_size=32, max_size=32)
HANDLES = st.uuids().map(str)
GENERATIONS = st.integers(0, (1 << 48) - 1)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

HANDLE = example_record().handle
KEY = b"K" * 32
LEEWAY = 10_000


def taken_apart(text: str) -> RefreshToken:
    """A token of our form."""
    token = parse(text)
    assert token is not None
    return token


def token_of(secret: bytes, *, generation: int, key: bytes = KEY) -> RefreshToken:
    """The token that a client would present."""
    return taken_apart(mint(handle=HANDLE, generation=generation, secret=secret, mac_key=key))


# --- form --------------------------------------------------------------------------------------


@given(HANDLES, GENERATIONS, SECRETS, SECRETS)
def test_a_token_is_what_was_minted(
    handle: str, generation: int, secret: bytes, key: bytes
) -> None:
    text = mint(handle=handle, generation=generation, secret=secret, mac_key=key)
    assert isinstance(text, Secret)
    token = taken_apart(text)
    assert (token.handle, token.generation, token.secret) == (handle, generation, secret)
    assert token.digest == digest(secret) == hashlib.sha256(secret).digest()
    assert token.is_genuine(key)


@given(HANDLES, GENERATIONS, SECRETS, SECRETS)
def test_its_87_bytes_are_as_documented(
    handle: str, generation: int, secret: bytes, key: bytes
) -> None:
    text = mint(handle=handle, generation=generation, secret=secret, mac_key=key)
    assert len(text) == TOKEN_CHARACTERS == 116
    signed = b"\x01" + uuid.UUID(handle).bytes + generation.to_bytes(6, "big") + secret
    mac = hmac.new(key, signed, hashlib.sha256).digest()
    assert urlsafe_b64decode(text) == signed + mac


def test_any_flipped_bit_makes_it_worthless() -> None:
    text = mint(handle=HANDLE, generation=7, secret=b"S" * 32, mac_key=KEY)
    raw = urlsafe_b64decode(text)
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        token = parse(urlsafe_b64encode(changed).decode())
        if bit < 8:  # the version
            assert token is None
        else:
            assert token is not None
            assert not token.is_genuine(KEY)


@given(SECRETS, SECRETS, SECRETS)
def test_only_the_records_own_key_makes_it_genuine(secret: bytes, key: bytes, other: bytes) -> None:
    token = token_of(secret, generation=0, key=key)
    assert token.is_genuine(other) is (other == key)


@given(
    st.sampled_from(["AQ", "Ab", "Af", "AP", "Ag", "BQ"]),
    st.text(ALPHABET, min_size=114, max_size=114),
)
def test_a_token_has_one_text(first: str, rest: str) -> None:
    token = parse(first + rest)
    # The first byte, which is the version, are 8 of these 12 bits.
    assert (token is not None) is (first in ("AQ", "Ab", "Af"))
    if token is not None:
        assert urlsafe_b64encode(token.signed + token.mac).decode() == first + rest


@pytest.mark.parametrize("length", [0, 1, 4, 112, 115, 117, 120, 232, 1 << 20])
def test_a_token_has_116_characters(length: int) -> None:
    text = mint(handle=HANDLE, generation=0, secret=bytes(32), mac_key=KEY)
    assert parse((text * (length // 116 + 1))[:length]) is None


@pytest.mark.parametrize("place", [0, 1, 57, 115])
@pytest.mark.parametrize("other", [*"+/=. \n\r\t\0%é", "\u0663", "\uff21", "\ud800", "\U0001f600"])
def test_a_token_has_letters_digits_minus_and_underscore(place: int, other: str) -> None:
    text = mint(handle=HANDLE, generation=0, secret=bytes(32), mac_key=KEY)
    assert parse(text[:place] + other + text[place + 1 :]) is None
    assert parse(text[:place] + other + text[place:]) is None


@given(st.text() | st.text(ALPHABET + "=+/ \n.", min_size=110, max_size=120))
def test_any_text_is_a_token_or_none(text: str) -> None:
    token = parse(text)
    assert token is None or uuid.UUID(token.handle).bytes == token.signed[1:17]


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_none_of_ours(version: int) -> None:
    assert parse(urlsafe_b64encode(bytes([version]) + bytes(86)).decode()) is None


def test_a_token_shows_no_secret() -> None:
    text = mint(handle=HANDLE, generation=3, secret=b"S" * 32, mac_key=KEY)
    told = repr(taken_apart(text))
    assert told == (
        f"RefreshToken(handle='{HANDLE}', generation=3, "
        "secret=<32 bytes>, mac=<32 bytes>, signed=<55 bytes>)"
    )
    assert repr(text) == "<secret, 116 characters>"


# --- succession --------------------------------------------------------------------------------


@given(SECRETS, SECRETS, SECRETS)
def test_a_successor_follows_from_the_secret_and_the_salt_alone(
    secret: bytes, salt: bytes, other: bytes
) -> None:
    following = successor(secret, salt)
    assert following == hmac.new(secret, salt, hashlib.sha256).digest()
    assert following not in (secret, salt)
    assert (successor(secret, other) == following) is (other == salt)
    assert (successor(other, salt) == following) is (other == secret)
    # What the record keeps doesn't give it: the digest is no key to it.
    assert successor(digest(secret), salt) != following


# --- the rule ----------------------------------------------------------------------------------

CURRENT, PREVIOUS, ANOTHER = b"c" * 32, b"p" * 32, b"x" * 32


def kept(generation: int, *, previous: bytes | None = PREVIOUS) -> SessionRecord:
    """A record whose current secret is CURRENT."""
    return attrs.evolve(
        example_record(),
        mac_key=KEY,
        generation=generation,
        current_digest=digest(CURRENT),
        previous_digest=None if previous is None else digest(previous),
    )


def judged(record: SessionRecord, token: RefreshToken, late: int, leeway: int = LEEWAY) -> object:
    """The rule's verdict, `late` after the rotation."""
    now = record.rotated_at + late
    return SameSuccessor().judge(record, token, now=now, leeway=leeway)


LATE = [-(10**9), -1, 0, 1, LEEWAY - 1, LEEWAY, LEEWAY + 1, 10**9]


@pytest.mark.parametrize("late", LATE)
def test_the_current_one_rotates_whenever_it_comes(late: int) -> None:
    for generation in (0, 1, 5):
        record = kept(generation, previous=PREVIOUS if generation else None)
        token = token_of(CURRENT, generation=generation)
        assert judged(record, token, late) is Verdict.ROTATE


@pytest.mark.parametrize("late", LATE)
def test_the_predecessor_replays_within_the_leeway_and_forks_after_it(late: int) -> None:
    token = token_of(PREVIOUS, generation=4)
    verdict = Verdict.REPLAY if late <= LEEWAY else Verdict.FORK
    assert judged(kept(5), token, late) is verdict


@pytest.mark.parametrize("leeway", [1, 2, 1000, LEEWAY])
@pytest.mark.parametrize(("beyond", "verdict"), [(-1, "replay"), (0, "replay"), (1, "fork")])
def test_the_leeway_is_inclusive_to_the_millisecond(leeway: int, beyond: int, verdict: str) -> None:
    token = token_of(PREVIOUS, generation=4)
    assert judged(kept(5), token, leeway + beyond, leeway) is Verdict(verdict)


KINDS = {
    0: Theft.ORPHANED,  # of the unused line that a fork displaced
    1: Theft.ORPHANED,  # the same, after the fork's own successor was used
    2: Theft.RECENT,
    3: Theft.STALE,
    4: Theft.STALE,
    9: Theft.STALE,
}


@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize(("behind", "kind"), KINDS.items())
def test_any_other_genuine_token_is_a_copy_of_some_age(late: int, behind: int, kind: Theft) -> None:
    token = token_of(ANOTHER, generation=9 - behind)
    assert judged(kept(9), token, late) is kind


@pytest.mark.parametrize("late", LATE)
def test_a_record_that_was_never_rotated_has_no_predecessor(late: int) -> None:
    record = kept(0, previous=None)
    assert judged(record, token_of(PREVIOUS, generation=0), late) is Theft.ORPHANED


@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize("generation", [0, 3, 4, 5, 6, (1 << 48) - 1])
@pytest.mark.parametrize("secret", [CURRENT, PREVIOUS, ANOTHER])
def test_a_forged_token_is_forged_whatever_it_says(
    late: int, generation: int, secret: bytes
) -> None:
    token = token_of(secret, generation=generation, key=b"k" * 32)
    assert judged(kept(5), token, late) is Verdict.FORGED


def test_the_whole_table_has_an_answer() -> None:
    seen: set[object] = set()
    secrets, keys = (CURRENT, PREVIOUS, ANOTHER), (KEY, b"k" * 32)
    for generation, secret, key, late in itertools.product(range(7), secrets, keys, LATE):
        seen.add(judged(kept(5), token_of(secret, generation=generation, key=key), late))
    of_other_rules = {Verdict.SPENT, Verdict.MINT, Verdict.PROMOTE}
    assert seen == {*Verdict, *Theft} - of_other_rules


# --- the rule, in a session's life -------------------------------------------------------------


@attrs.frozen
class Life:
    """A session's record, and the secret of its current token."""

    record: SessionRecord
    secret: bytes

    @property
    def token(self) -> RefreshToken:
        """The current token."""
        return token_of(self.secret, generation=self.record.generation)

    def rotated(self, salt: bytes, *, of: RefreshToken | None = None) -> "Life":
        """After the presented token was rotated, or forked if it isn't the current one."""
        presented = of or self.token
        secret = successor(presented.secret, salt)
        return Life(
            attrs.evolve(
                self.record,
                generation=presented.generation + 1,
                current_digest=digest(secret),
                previous_digest=presented.digest,
                salt=salt,
            ),
            secret,
        )


LOGIN = Life(kept(0, previous=None), CURRENT)


def test_a_used_token_is_recent_then_stale() -> None:
    life, first = LOGIN, LOGIN.token
    verdicts: list[object] = []
    for n in range(5):
        verdicts.append(judged(life.record, first, LEEWAY))
        life = life.rotated(bytes([n]))
    assert verdicts == [Verdict.ROTATE, Verdict.REPLAY, Theft.RECENT, Theft.STALE, Theft.STALE]


def test_a_displaced_token_is_orphaned() -> None:
    lost = LOGIN.rotated(b"lost")
    forked = LOGIN.rotated(b"forked", of=LOGIN.token)
    assert judged(forked.record, lost.token, 0) is Theft.ORPHANED
    assert judged(forked.record, forked.token, 0) is Verdict.ROTATE
    assert judged(forked.record, LOGIN.token, LEEWAY + 1) is Verdict.FORK
    used = forked.rotated(b"used")
    assert judged(used.record, lost.token, 0) is Theft.ORPHANED
    assert judged(used.record, LOGIN.token, 0) is Theft.RECENT


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_only_the_last_two_of_a_line_are_ever_answered(forks: list[bool]) -> None:
    life, line, displaced = LOGIN, [LOGIN.token], list[RefreshToken]()
    for n, fork in enumerate(forks):
        if fork and len(line) > 1:
            displaced.append(line.pop())
            life = life.rotated(bytes([n]), of=line[-1])
        else:
            life = life.rotated(bytes([n]))
        line.append(life.token)
    *used, previous, current = line
    assert judged(life.record, current, LEEWAY) is Verdict.ROTATE
    assert judged(life.record, previous, LEEWAY) is Verdict.REPLAY
    assert judged(life.record, previous, LEEWAY + 1) is Verdict.FORK
    for token in (*used, *displaced):
        assert isinstance(judged(life.record, token, 0), Theft)


@given(SECRETS, SECRETS, GENERATIONS)
def test_a_child_is_what_using_its_parent_would_make(
    secret: bytes, salt: bytes, generation: int
) -> None:
    record = full()
    child = child_of(record, token_of(secret, generation=generation), salt)
    assert (child.generation, child.salt) == (generation + 1, salt)
    assert child.current_digest == digest(successor(secret, salt))
    assert child.previous_digest == digest(secret)
    assert (child.version, child.rotated_at) == (record.version, record.rotated_at)
    assert_rest_is_kept(child, record)


@given(SECRETS, st.integers(-9, 9))
def test_a_child_that_is_promoted_takes_its_parents_place(secret: bytes, later: int) -> None:
    record = full()
    child = token_of(secret, generation=4)
    after = promoted(record, child, now=record.rotated_at + later)
    assert (after.version, after.generation, after.salt) == (5, 4, None)
    assert (after.current_digest, after.previous_digest) == (child.digest, record.current_digest)
    assert after.rotated_at == record.rotated_at + max(later, 0)
    assert_rest_is_kept(after, record)


@given(SECRETS, SECRETS, SECRETS, GENERATIONS, st.integers(-9, 9))
def test_a_rotation_puts_the_successor_in_the_place_of_the_token_that_was_used(
    secret: bytes, following: bytes, salt: bytes, generation: int, later: int
) -> None:
    record = full()
    used = token_of(secret, generation=generation)
    now = record.rotated_at + later
    after = rotated(record, used, following, salt, generation=generation + 1, now=now)
    assert (after.version, after.generation, after.salt) == (5, generation + 1, salt)
    assert (after.current_digest, after.previous_digest) == (digest(following), used.digest)
    assert after.rotated_at == record.rotated_at + max(later, 0)
    assert_rest_is_kept(after, record)


LINE = ("version", "generation", "salt", "current_digest", "previous_digest", "rotated_at")


def full() -> SessionRecord:
    """A record none of whose fields has its default."""
    record = attrs.evolve(
        kept(3, previous=PREVIOUS),
        version=4,
        salt=bytes(32),
        anti_csrf_token="guard",
        data=FrozenDict({"cart": 1}),
    )
    assert all(getattr(record, f.name) != f.default for f in attrs.fields(SessionRecord))
    return record


def assert_rest_is_kept(after: SessionRecord, before: SessionRecord) -> None:
    assert after == attrs.evolve(before, **{name: getattr(after, name) for name in LINE})


def test_a_rule_is_a_value() -> None:
    assert SameSuccessor() == SameSuccessor()
    assert hash(SameSuccessor()) == hash(SameSuccessor())
