"""Re-keying, branch by branch: transcripts of what is asked and what follows."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from counterfoil import (
    Announce,
    Ask,
    ClaimFetched,
    Done,
    Establish,
    Established,
    FetchClaim,
    HandleTaken,
    InvalidInput,
    Lifetime,
    Load,
    Missing,
    PrimitiveArrayClaim,
    PrimitiveClaim,
    Reason,
    RequestRejected,
    Revoke,
    Revoked,
    Rotate,
    Rotated,
    Secret,
    Session,
    SessionCreated,
    SessionRecord,
    SessionsRevoked,
    SetCookie,
    Stale,
    Step,
    Transfer,
    TryRefreshToken,
    Unauthorised,
    attach_to_request_response,
    create_session,
    freeze_object,
    play,
    rekey_session,
)
from counterfoil.core.examples import example_policy, example_record, example_session
from counterfoil.core.session import is_told_of

NOW = 1_700_000_100_000
ENTROPY = b"\x07" * 32
OLD = example_record()


def asked(step: Step[Any], kind: type[Any]) -> Any:
    """The effect that a step asks for, which must be of this kind."""
    assert isinstance(step, Ask)
    assert isinstance(step.effect, kind)
    return step.effect


def resumed(step: Step[Any], *replies: Any) -> Step[Any]:
    """The step once it was given these replies."""
    for reply in replies:
        assert isinstance(step, Ask)
        step = step.resume(reply)
    return step


def begun(**options: Any) -> tuple[Step[Session], SessionRecord]:
    """A re-keying whose new record is established; the step that retires the old one."""
    step = rekey_session(example_session(), now=NOW, entropy=ENTROPY, **options)
    step = resumed(step, OLD)
    return resumed(step, Established("new.access.token")), asked(step, Establish).record


def test_a_session_goes_on_under_another_name_and_other_secrets() -> None:
    step, born = begun()
    retired = asked(step, Rotate)
    assert retired.expected_version == OLD.version
    assert (retired.record.handle, retired.record.version) == (OLD.handle, 1)
    assert retired.record.absolute_expires_at == NOW + 60_000
    assert retired.record.mac_key not in (OLD.mac_key, born.mac_key)

    done = play(step, (retired, Rotated("unused")), (Revoke((OLD.handle,)), Revoked((OLD.handle,))))
    session = done.state
    assert isinstance(session, Session)
    assert session.handle == born.handle != OLD.handle
    assert (session.user_id, born.payload, born.data) == ("user-1", OLD.payload, OLD.data)
    assert born.absolute_expires_at == OLD.absolute_expires_at
    assert born.current_digest != OLD.current_digest
    assert born.mac_key != OLD.mac_key
    assert session.refresh_token is not None
    assert done.effects == (
        Announce(
            SessionCreated(
                handle=born.handle,
                user_id="user-1",
                tenant_id="public",
                at=NOW,
                replaces=OLD.handle,
            )
        ),
        Announce(SessionsRevoked(handles=(OLD.handle,), at=NOW)),
    )


ROTATED = attrs.evolve(
    OLD,
    version=7,
    generation=3,
    previous_digest=OLD.current_digest,
    current_digest=b"c" * 32,
    salt=b"s" * 32,
    rotated_at=NOW - 50_000,
    anti_csrf_token=Secret("guard"),
    payload=freeze_object({"plan": "pro"}),
    data=freeze_object({"cart": [1]}),
)


@pytest.mark.parametrize("old", [OLD, ROTATED, attrs.evolve(ROTATED, anti_csrf_token=None)])
def test_only_the_secrets_and_their_history_are_new(old: SessionRecord) -> None:
    step = resumed(rekey_session(example_session(), now=NOW, entropy=ENTROPY), old)
    born = asked(step, Establish).record
    created = create_session("ada", policy=example_policy(), now=NOW, entropy=ENTROPY)
    fresh = asked(created, Establish).record
    assert born == attrs.evolve(
        old,
        version=0,
        generation=0,
        previous_digest=None,
        salt=None,
        rotated_at=NOW,
        handle=fresh.handle,
        current_digest=fresh.current_digest,
        mac_key=fresh.mac_key,
        anti_csrf_token=born.anti_csrf_token,
    )
    assert (born.anti_csrf_token is None) is (old.anti_csrf_token is None)
    assert born.anti_csrf_token is None or born.anti_csrf_token != old.anti_csrf_token

    retired = asked(resumed(step, Established("new.access.token")), Rotate).record
    assert retired == attrs.evolve(
        old,
        version=old.version + 1,
        previous_digest=None,
        absolute_expires_at=NOW + 60_000,
        current_digest=retired.current_digest,
        mac_key=retired.mac_key,
    )
    secrets = {retired.current_digest, retired.mac_key, born.current_digest, born.mac_key,
               old.current_digest, old.mac_key}  # fmt: skip
    assert [len(secret) for secret in secrets] == [32] * 6


@pytest.mark.parametrize("name", ["user_id", "recipe_user_id"])
def test_an_id_that_can_not_be_is_told_by_its_name(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{name} must have 1 to 256 characters, not 257"):
        begun(**{name: "a" * 257})


def test_a_guest_becomes_a_user_with_a_lifetime_of_its_own() -> None:
    lifetime = Lifetime(idle=timedelta(hours=1), absolute=timedelta(hours=8))
    _, born = begun(user_id="ada", lifetime=lifetime)
    assert (born.user_id, born.recipe_user_id) == ("ada", "ada")
    _, named = begun(user_id="ada", recipe_user_id="ada@mail")
    assert (named.user_id, named.recipe_user_id) == ("ada", "ada@mail")
    for wrong in ({"user_id": ""}, {"user_id": 5}, {"lifetime": timedelta(days=1)}):
        with pytest.raises(InvalidInput):
            begun(**wrong)
    assert born.absolute_expires_at == NOW + 8 * 3_600_000
    assert born.idle_lifetime == 3_600_000
    _, brief = begun(lifetime=attrs.evolve(lifetime, access=timedelta(minutes=1)))
    assert brief.access_lifetime == 60_000


PLAN, ROLES = PrimitiveClaim("plan"), PrimitiveArrayClaim("roles")
OF_ADA = {
    "plan": {"v": "pro", "t": 5},
    "roles": {"v": ["admin"], "t": 5},
    "theme": "dark",
    "v": {"v": 1},
}


def test_no_claim_of_the_former_user_goes_over_to_another() -> None:
    policy = attrs.evolve(example_policy(), claims=(PLAN,))
    session = attrs.evolve(example_session(), policy=policy)
    step = rekey_session(session, now=NOW, entropy=ENTROPY, user_id="bob")
    assert asked(step, FetchClaim) == FetchClaim(
        key="plan", user_id="bob", recipe_user_id="bob", tenant_id="public"
    )
    held = attrs.evolve(OLD, payload=freeze_object(OF_ADA))
    for value, expected in (("free", {"plan": {"v": "free", "t": NOW}}), (None, {})):
        stored = resumed(step, ClaimFetched(value), held)
        born = asked(stored, Establish).record
        assert born.payload == {**expected, "theme": "dark", "v": {"v": 1}}
        merged = attrs.evolve(held, version=held.version + 1)
        over = resumed(stored, Established("new.access.token"), Stale(merged))
        assert asked(over, Rotate).record.payload == born.payload


def test_the_claims_of_the_same_user_stay() -> None:
    held = attrs.evolve(OLD, payload=freeze_object(OF_ADA))
    for user_id in (None, OLD.user_id):
        step = rekey_session(
            example_session(), now=NOW, entropy=ENTROPY, user_id=user_id, recipe_user_id="mail"
        )
        born = asked(resumed(step, held), Establish).record
        assert (born.payload, born.recipe_user_id) == (held.payload, "mail")


def test_the_new_tokens_go_where_the_old_ones_went() -> None:
    attached = attach_to_request_response(example_session(), Transfer.COOKIE, now=NOW).state
    assert isinstance(attached, Session)
    assert is_told_of(attached)
    assert not is_told_of(example_session())
    step = resumed(rekey_session(attached, now=NOW, entropy=ENTROPY), OLD)
    step = resumed(step, Established("new.access.token"))
    step = resumed(step, Rotated("unused"))
    done = play(step, (Revoke((OLD.handle,)), Revoked((OLD.handle,))))
    cookies = [effect.name for effect in done.effects if isinstance(effect, SetCookie)]
    assert cookies == ["sAccessToken", "sRefreshToken"]
    assert isinstance(done.state, Session)
    assert done.state.attachment == attached.attachment


def test_what_was_merged_meanwhile_is_carried_over() -> None:
    step, born = begun()
    merged = attrs.evolve(OLD, version=1, payload=freeze_object({"plan": "pro"}))
    step = resumed(step, Stale(merged))
    carried = asked(step, Rotate)
    assert (carried.record.handle, carried.expected_version) == (born.handle, 0)
    assert carried.record.version == 1
    assert carried.record.payload == {"plan": "pro"}

    step = resumed(step, Rotated("newer.access.token"))
    retired = asked(step, Rotate)
    assert (retired.record.handle, retired.expected_version) == (OLD.handle, 1)
    done = play(step, (retired, Rotated("unused")), (Revoke((OLD.handle,)), Revoked((OLD.handle,))))
    assert isinstance(done.state, Session)
    assert done.state.access_token == "newer.access.token"
    assert done.state.payload["plan"] == "pro"


def revoked_meanwhile() -> Done[Any]:
    """What ends a re-keying that a revocation overtook."""
    event = RequestRejected(reason=Reason.SESSION_GONE, at=NOW, handle=OLD.handle)
    rejection = Unauthorised(Reason.SESSION_GONE, clear_tokens=True, handle=OLD.handle)
    return Done(rejection, (Announce(event),))


@pytest.mark.parametrize("record", [Missing(), attrs.evolve(OLD, absolute_expires_at=NOW)])
def test_a_session_that_is_over_is_not_rekeyed(record: SessionRecord | Missing) -> None:
    step = rekey_session(example_session(), now=NOW, entropy=ENTROPY)
    assert play(step, (Load(OLD.handle), record)) == revoked_meanwhile()


def test_a_displaced_line_is_not_rekeyed() -> None:
    forked = attrs.evolve(OLD, current_digest=b"\x01" * 32, previous_digest=b"\x02" * 32)
    step = rekey_session(example_session(), now=NOW, entropy=ENTROPY)
    done = play(step, (Load(OLD.handle), forked))
    assert done.state == TryRefreshToken(Reason.DISPLACED, OLD.handle)
    event = RequestRejected(reason=Reason.DISPLACED, at=NOW, handle=OLD.handle)
    assert done.effects == (Announce(event),)


def test_a_revocation_of_the_old_session_takes_the_new_one_too() -> None:
    step, born = begun()
    step = resumed(step, Stale(Missing()))
    ends = revoked_meanwhile()
    done = play(step, (Revoke((born.handle,)), Revoked((born.handle,))))
    assert done.state == ends.state
    gone = Announce(SessionsRevoked(handles=(born.handle,), at=NOW))
    assert done.effects[-2:] == (gone, *ends.effects)


def test_a_revocation_before_the_old_session_is_deleted_takes_the_new_one_too() -> None:
    step, born = begun()
    step = resumed(step, Rotated("unused"), Revoked(()))
    done = play(step, (Revoke((born.handle,)), Revoked((born.handle,))))
    assert done.state == revoked_meanwhile().state


def test_a_revocation_of_all_while_the_merge_is_carried_over_takes_both() -> None:
    step, born = begun()
    step = resumed(step, Stale(attrs.evolve(OLD, version=1)))
    step = resumed(step, Stale(Missing()))
    done = play(step, (Revoke((born.handle, OLD.handle)), Revoked(())))
    assert done.state == revoked_meanwhile().state


def test_entropy_that_was_used_before_is_told() -> None:
    step = resumed(rekey_session(example_session(), now=NOW, entropy=ENTROPY), OLD)
    with pytest.raises(InvalidInput, match="entropy was used before"):
        resumed(step, HandleTaken())
