"""Faults to plant, one at a time, in the store, in the rule or in the core: each must be found.

A fault of the store is another `interpret`, one of the rule another value of the policy; one of the
core takes the place of a function for as long as the scenario is explored.
"""

import pickle
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from counterfoil.adapters.memory import World
from counterfoil.adapters.simulation import Scenario, small_policy, unsigned
from counterfoil.adapters.simulation.revealing_worlds import (
    ENDS,
    GUARDED,
    IDLE,
    MERGES,
    OTHERS,
    PLANS,
    REKEYS,
    REVOKES,
    SIGN_OUT,
    TABS,
    THIEF,
    WAITS,
)
from counterfoil.core import (
    RefreshToken,
    SameSuccessor,
    Session,
    TokenTheftDetected,
    Unauthorised,
    Verdict,
    refreshing,
    rekeying,
    revoke_multiple_sessions,
    signing_out,
    theft,
)
from counterfoil.core.rotation import successor
from counterfoil.effects import (
    EMPTY,
    Announce,
    Done,
    Missing,
    Reason,
    Regenerate,
    Regenerated,
    RequestRejected,
    Revoke,
    Revoked,
    RevokeUser,
    Rotate,
    Rotated,
    Secret,
    SessionRecord,
    Stale,
    Theft,
)

# --- the store ---------------------------------------------------------------------------------


def swaps_whatever_is_there(world: World, effect: Any) -> tuple[World, Any]:
    """No compare-and-swap: the version isn't looked at."""
    if isinstance(effect, Rotate):
        held = world.load(effect.record.handle)
        version = effect.expected_version if isinstance(held, Missing) else held.version
        effect = attrs.evolve(effect, expected_version=version)
    return unsigned(world, effect)


def swap_inserts(world: World, effect: Any) -> tuple[World, Any]:
    """A swap stores the record also where there is none any more."""
    after, reply = unsigned(world, effect)
    if isinstance(effect, Rotate) and reply == Stale(Missing()):
        after, _ = world.create(attrs.evolve(effect.record, version=effect.expected_version))
        return unsigned(after, effect)
    return after, reply


def merge_inserts(world: World, effect: Any) -> tuple[World, Any]:
    """A merge brings back the record that was deleted."""
    if isinstance(effect, Revoke):
        for record in (world.load(handle) for handle in effect.handles):
            if isinstance(record, SessionRecord):
                old = world.secrets.get(record.handle)
                world, _ = world.swap_secret(record.handle, old, pickle.dumps(record))
    after, reply = unsigned(world, effect)
    if isinstance(effect, Regenerate) and isinstance(reply, Missing):
        kept = world.secrets.get(effect.handle)
        if kept is not None:
            return unsigned(world.create(pickle.loads(kept))[0], effect)  # noqa: S301  # our own pickle
    return after, reply


def merge_replaces(world: World, effect: Any) -> tuple[World, Any]:
    """A merge puts the patch in the place of the payload."""
    held = world.load(effect.handle) if isinstance(effect, Regenerate) else None
    if isinstance(held, SessionRecord) and effect.patch:
        emptied = attrs.evolve(held, payload=EMPTY, version=held.version + 1)
        world, _ = world.swap(emptied, held.version)
    return unsigned(world, effect)


def merge_keeps_the_version(world: World, effect: Any) -> tuple[World, Any]:
    """A merge doesn't count as a write, so a rotation under way puts the old payload back."""
    after, reply = unsigned(world, effect)
    if isinstance(effect, Regenerate) and isinstance(reply, Regenerated):
        held = after.load(effect.handle)
        if isinstance(held, SessionRecord) and effect.patch:
            after, _ = after.swap(attrs.evolve(held, version=held.version - 1), held.version)
    return after, reply


def merge_only_says_so(world: World, effect: Any) -> tuple[World, Any]:
    """A merge is acknowledged and not carried out."""
    after, reply = unsigned(world, effect)
    return (world if isinstance(effect, Regenerate) and effect.patch else after), reply


def first_merge_wins(world: World, effect: Any) -> tuple[World, Any]:
    """Of two merges of one key the earlier is kept, and the later one is acknowledged."""
    after, reply = unsigned(world, effect)
    held = world.load(effect.handle) if isinstance(effect, Regenerate) else None
    if isinstance(held, SessionRecord) and effect.patch.keys() & held.payload.keys():
        after, _ = world.swap(attrs.evolve(held, version=held.version + 1), held.version)
    return after, reply


def revoke_only_says_so(world: World, effect: Any) -> tuple[World, Any]:
    """A revocation is acknowledged and not carried out."""
    if isinstance(effect, Revoke):
        return world, Revoked(effect.handles)
    return unsigned(world, effect)


def revoke_user_forgets_one(world: World, effect: Any) -> tuple[World, Any]:
    """Of a user's sessions one is left over."""
    if isinstance(effect, RevokeUser):
        records = world.list_for_user(effect.user_id, effect.tenant_id)
        kept = tuple(record.handle for record in records[:1])
        effect = attrs.evolve(effect, keep=kept)
    return unsigned(world, effect)


def rotation_loses_the_record(world: World, effect: Any) -> tuple[World, Any]:
    """A rotation is acknowledged, and the record is gone."""
    after, reply = unsigned(world, effect)
    if isinstance(effect, Rotate) and isinstance(reply, Rotated):
        after, _ = unsigned(after, Revoke((effect.record.handle,)))
    return after, reply


def merge_loses_the_record(world: World, effect: Any) -> tuple[World, Any]:
    """A merge is acknowledged, and the record is gone."""
    after, reply = unsigned(world, effect)
    if isinstance(effect, Regenerate) and effect.patch and isinstance(reply, Regenerated):
        after, _ = unsigned(after, Revoke((effect.handle,)))
    return after, reply


def revoke_others_keeps_none(world: World, effect: Any) -> tuple[World, Any]:
    """What is to be kept is revoked too."""
    if isinstance(effect, RevokeUser):
        effect = attrs.evolve(effect, keep=())
    return unsigned(world, effect)


def revoke_others_ends_none(world: World, effect: Any) -> tuple[World, Any]:
    """Where something is to be kept, all is kept."""
    if isinstance(effect, RevokeUser) and effect.keep:
        return world, Revoked(())
    return unsigned(world, effect)


def revoke_one_ends_all(world: World, effect: Any) -> tuple[World, Any]:
    """A revocation takes whatever there is."""
    if isinstance(effect, Revoke):
        effect = Revoke(tuple(world.records))
    return unsigned(world, effect)


def absolute_end_is_put_off(world: World, effect: Any) -> tuple[World, Any]:
    """Each rotation gives a session a little more of its absolute life."""
    if isinstance(effect, Rotate):
        later = effect.record.absolute_expires_at + 86_400_000
        effect = attrs.evolve(effect, record=attrs.evolve(effect.record, absolute_expires_at=later))
    return unsigned(world, effect)


# --- the rule ----------------------------------------------------------------------------------


@attrs.frozen
class Rule:
    """counterfoil's rule, but for some verdicts."""

    instead: Callable[[Any, SessionRecord, RefreshToken], Any]

    def judge(
        self, record: SessionRecord, presented: RefreshToken, *, now: int, leeway: int
    ) -> Verdict | Theft:
        verdict = SameSuccessor().judge(record, presented, now=now, leeway=leeway)
        changed: Verdict | Theft = self.instead(verdict, record, presented)
        return changed


def forks_inside_the_leeway(verdict: Any, *_: Any) -> Any:
    return Verdict.FORK if verdict is Verdict.REPLAY else verdict


def never_forks(verdict: Any, *_: Any) -> Any:
    return Theft.RECENT if verdict is Verdict.FORK else verdict


def always_replays(verdict: Any, *_: Any) -> Any:
    return Verdict.REPLAY if verdict is Verdict.FORK else verdict


def accepts_the_grandparent(verdict: Any, *_: Any) -> Any:
    return Verdict.ROTATE if verdict is Theft.RECENT else verdict


def accepts_displaced_tokens(verdict: Any, *_: Any) -> Any:
    return Verdict.ROTATE if verdict is Theft.ORPHANED else verdict


def overlooks_displaced_tokens(verdict: Any, *_: Any) -> Any:
    return Verdict.SPENT if verdict is Theft.ORPHANED else verdict


def looks_at_no_mac(verdict: Any, record: SessionRecord, presented: RefreshToken) -> Any:
    return Theft.STALE if verdict is Verdict.FORGED else verdict


# --- the core ----------------------------------------------------------------------------------


def replay_writes(patch: pytest.MonkeyPatch) -> None:
    """A replay writes the record once more: the leeway begins anew, and may never end."""
    follow = refreshing.Refresh.follow

    def writes(refresh: Any, verdict: Any, record: Any) -> Any:
        if verdict is not Verdict.REPLAY:
            return follow(refresh, verdict, record)
        later = attrs.evolve(record, version=record.version + 1, rotated_at=refresh.now)
        claims, secret = refresh.claims(later), successor(refresh.presented.secret, later.salt)
        swap = Rotate(later, expected_version=record.version, claims=claims)
        return swap.then(refreshing.AfterSwap(refresh, later, claims, secret, forked=False))

    patch.setattr(refreshing.Refresh, "follow", writes)


def salt_is_reused(patch: pytest.MonkeyPatch) -> None:
    """Every rotation draws the same salt."""

    def same(entropy: bytes, label: bytes) -> bytes:
        return bytes(32)

    patch.setattr(refreshing, "draw", same)


def theft_revokes_nothing(patch: pytest.MonkeyPatch) -> None:
    """A theft is answered as one, and the session lives on."""
    follow = refreshing.Refresh.follow

    def spares(refresh: Any, verdict: Any, record: Any) -> Any:
        if isinstance(verdict, Theft):
            at = refresh.presented.generation, refresh.now
            return theft.AfterTheft(record, verdict, *at)(Revoked(()))
        return follow(refresh, verdict, record)

    patch.setattr(refreshing.Refresh, "follow", spares)


def lost_race_is_the_end(patch: pytest.MonkeyPatch) -> None:
    """Whoever loses the compare-and-swap is logged out."""

    def gives_up(after: Any, reply: Any) -> Any:
        if isinstance(reply, Stale):
            return after.refresh.proceed(Missing())
        return swapped(after, reply)

    swapped = refreshing.AfterSwap.__call__
    patch.setattr(refreshing.AfterSwap, "__call__", gives_up)


def lost_race_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """Whoever loses the compare-and-swap is answered as if it had won."""

    def goes_on(after: Any, reply: Any) -> Any:
        if isinstance(reply, Stale) and isinstance(reply.current, SessionRecord):
            session = after.refresh.session(
                after.record, after.claims, secret=after.secret, token="unsigned:{}"
            )
            return Done(session)
        return swapped(after, reply)

    swapped = refreshing.AfterSwap.__call__
    patch.setattr(refreshing.AfterSwap, "__call__", goes_on)


def expiry_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    """A session that has expired is refreshed."""
    proceed = refreshing.Refresh.proceed

    def goes_on(refresh: Any, record: Any) -> Any:
        if isinstance(record, SessionRecord):
            record = attrs.evolve(
                record, idle_lifetime=2**50, absolute_expires_at=2**52, access_lifetime=1000
            )
        return proceed(refresh, record)

    patch.setattr(refreshing.Refresh, "proceed", goes_on)


def theft_keeps_the_tokens(patch: pytest.MonkeyPatch) -> None:
    """A client whose session was revoked for theft is told to keep its tokens."""

    def keeps(**fields: Any) -> TokenTheftDetected:
        return TokenTheftDetected(clear_tokens=False, **fields)

    patch.setattr(theft, "TokenTheftDetected", keeps)


def retry_is_refused(patch: pytest.MonkeyPatch) -> None:
    """A refresh by a predecessor is refused and its tokens are cleared, though a retry may do."""
    follow = refreshing.Refresh.follow

    def refuses(refresh: Any, verdict: Any, record: Any) -> Any:
        if verdict is Verdict.REPLAY:
            told = Announce(RequestRejected(reason=Reason.CSRF, at=refresh.now))
            return Done(Unauthorised(Reason.CSRF, clear_tokens=True), (told,))
        return follow(refresh, verdict, record)

    patch.setattr(refreshing.Refresh, "follow", refuses)


def entropy_is_hidden(patch: pytest.MonkeyPatch) -> None:
    """The core draws bytes of its own."""

    def drawn(entropy: bytes, label: bytes) -> bytes:
        return secrets.token_bytes(32)

    patch.setattr(refreshing, "draw", drawn)


def a_step_shows_its_token(patch: pytest.MonkeyPatch) -> None:
    """The refresh token is in the repr of the session that carries it."""

    def shows(session: Session) -> str:
        return f"Session({session.refresh_token!s})"

    patch.setattr(Session, "__repr__", shows)


def rekeying_ignores_revocation(patch: pytest.MonkeyPatch) -> None:
    """A re-keying goes on where the session that it began with was revoked meanwhile."""

    def goes_on(after: Any, reply: Any) -> Any:
        if isinstance(reply, Stale) and isinstance(reply.current, Missing):
            return Done(after.session)
        return retired(after, reply)

    retired = rekeying.AfterRetire.__call__
    patch.setattr(rekeying.AfterRetire, "__call__", goes_on)


def rekeying_loses_merges(patch: pytest.MonkeyPatch) -> None:
    """A re-keying doesn't take along what was merged since it loaded the record."""

    def forgets(after: Any, current: SessionRecord) -> Any:
        return after.rekey.retire(current, after.born, after.session)

    patch.setattr(rekeying.AfterRetire, "_carry_over", forgets)


def an_operation_raises(patch: pytest.MonkeyPatch) -> None:
    """A reply that the core did not expect."""

    def raises(after: Any, reply: Any) -> Any:
        if isinstance(reply, Stale):
            raise TypeError("did not expect this")
        return swapped(after, reply)

    swapped = refreshing.AfterSwap.__call__
    patch.setattr(refreshing.AfterSwap, "__call__", raises)


def no_csrf_token_matches(patch: pytest.MonkeyPatch) -> None:
    """Every anti-CSRF token is a wrong one."""

    def never(_: object, __: object) -> bool:
        return False

    patch.setattr(refreshing, "token_matches", never)


def csrf_token_changes(patch: pytest.MonkeyPatch) -> None:
    """Each rotation makes another anti-CSRF token, which is lost with a lost response."""

    def other(refresh: Any, child: SessionRecord) -> Any:
        return sign(refresh, attrs.evolve(child, anti_csrf_token=Secret((child.salt or b"").hex())))

    sign: Callable[..., Any] = vars(refreshing.Refresh)["_sign"]
    patch.setattr(refreshing.Refresh, "_sign", other)


def sign_out_does_nothing(patch: pytest.MonkeyPatch) -> None:
    """A sign-out says that it is done."""
    patch.setattr(signing_out.EndSessions, "__call__", _say_done)


def _say_done(_: object, __: object) -> Any:
    return Done(True)


def sign_out_keeps_the_tokens(patch: pytest.MonkeyPatch) -> None:
    """A sign-out ends the session, and the browser keeps its tokens."""

    def ends(end: Any, session: Session) -> Any:
        return revoke_multiple_sessions((session.handle,), now=end.now).then(_DidIt())

    patch.setattr(signing_out.EndSessions, "__call__", ends)


@attrs.frozen
class _DidIt:
    def __call__(self, _: Any) -> Any:
        return Done(True)


def a_record_shows_its_key(patch: pytest.MonkeyPatch) -> None:
    """The key that authenticates refresh tokens is in the repr of a record."""

    def shown(record: SessionRecord) -> str:
        return f"SessionRecord({record.mac_key!r})"

    patch.setattr(SessionRecord, "__repr__", shown)


def a_token_shows_its_secret(patch: pytest.MonkeyPatch) -> None:
    """A parsed refresh token shows what it proves itself by."""

    def shown(token: RefreshToken) -> str:
        return f"RefreshToken({token.secret.hex()})"

    patch.setattr(RefreshToken, "__repr__", shown)


def a_request_raises(patch: pytest.MonkeyPatch) -> None:
    """A sign-out raises before it has asked for anything."""

    def raises(end: Any, session: Session) -> Any:
        raise LookupError("no such thing")

    patch.setattr(signing_out.EndSessions, "__call__", raises)


STORE: dict[Callable[..., Any], tuple[Scenario, str]] = {
    swaps_whatever_is_there: (TABS, "2"),
    swap_inserts: (REVOKES, "6"),
    merge_inserts: (MERGES, "6"),
    merge_replaces: (MERGES, "5"),
    merge_keeps_the_version: (MERGES, "5"),
    merge_only_says_so: (MERGES, "5"),
    first_merge_wins: (PLANS, "5"),
    revoke_only_says_so: (REVOKES, "6"),
    revoke_user_forgets_one: (REVOKES, "6"),
    rotation_loses_the_record: (TABS, "6"),
    merge_loses_the_record: (MERGES, "6"),
    revoke_others_keeps_none: (OTHERS, "6"),
    revoke_others_ends_none: (OTHERS, "6"),
    revoke_one_ends_all: (OTHERS, "6"),
    absolute_end_is_put_off: (ENDS, "6"),
}
RULE: dict[Callable[..., Any], tuple[Scenario, str]] = {
    forks_inside_the_leeway: (TABS, "2"),
    never_forks: (WAITS, "1"),
    always_replays: (THIEF, "2"),
    accepts_the_grandparent: (THIEF, "2"),
    accepts_displaced_tokens: (THIEF, "3"),
    overlooks_displaced_tokens: (THIEF, "3"),
    looks_at_no_mac: (TABS, "4"),
}
CORE: dict[Callable[..., Any], tuple[Scenario, str]] = {
    replay_writes: (TABS, "2"),
    salt_is_reused: (WAITS, "2"),
    theft_revokes_nothing: (THIEF, "3"),
    lost_race_is_the_end: (TABS, "7"),
    lost_race_is_ignored: (TABS, "2"),
    expiry_is_not_looked_at: (IDLE, "6"),
    theft_keeps_the_tokens: (THIEF, "7"),
    retry_is_refused: (TABS, "1"),
    entropy_is_hidden: (TABS, "8"),
    a_step_shows_its_token: (TABS, "8"),
    rekeying_ignores_revocation: (REKEYS, "6"),
    rekeying_loses_merges: (REKEYS, "5"),
    an_operation_raises: (TABS, "0"),
    a_request_raises: (SIGN_OUT, "0"),
    no_csrf_token_matches: (GUARDED, "1"),
    csrf_token_changes: (GUARDED, "1"),
    sign_out_does_nothing: (SIGN_OUT, "6"),
    sign_out_keeps_the_tokens: (SIGN_OUT, "7"),
    a_record_shows_its_key: (TABS, "8"),
    a_token_shows_its_secret: (TABS, "8"),
}


def planted(fault: Callable[..., Any], patch: pytest.MonkeyPatch) -> tuple[Scenario, str]:
    """The scenario with a fault in it, and the number of the law that it breaks."""
    if fault in STORE:
        scenario, law = STORE[fault]
        return attrs.evolve(scenario, interpret=fault), law
    if fault in RULE:
        scenario, law = RULE[fault]
        policy = small_policy(rotation=Rule(fault), leeway=timedelta(seconds=10))
        return attrs.evolve(scenario, policy=policy), law
    fault(patch)
    return CORE[fault]
