"""The very header lines of a diagnosis. Only the tokens themselves are left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import attrs

from ...core import Policy
from ...core.specimens import Specimen
from ...effects import ResponseEffect, Secret, SetCookie, SetHeader
from ..response import ResponseHeaders
from ..web.cors import cors

Lines = list[tuple[str, str]]

_LEFT_OUT = Secret("...")


def lines(effects: Iterable[ResponseEffect]) -> Lines:
    """The header lines of some response effects, as a response has them."""
    response = ResponseHeaders()
    for effect in effects:
        response.perform(effect)
    return response.headers


def masked_lines(specimen: Specimen) -> Lines:
    """The same, with three dots for each token."""
    return lines(_masked(effect) for effect in specimen.effects)


def preflight_lines(policy: Policy) -> Lines:
    """What a preflight by the site's pages must be told (WHATWG Fetch, 3.3.3)."""
    allowed = cors(policy)
    return [
        *_both(policy),
        ("Access-Control-Allow-Methods", ", ".join(allowed["allow_methods"])),
        ("Access-Control-Allow-Headers", ", ".join(allowed["allow_headers"])),
    ]


def cross_origin_lines(policy: Policy) -> Lines:
    """What every answer to the site's pages must have, refusals and errors too."""
    exposed = ("Access-Control-Expose-Headers", ", ".join(cors(policy)["expose_headers"]))
    return [*_both(policy), exposed]


def _both(policy: Policy) -> Lines:
    (origin,) = cors(policy)["allow_origins"]
    return [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Vary", "Origin"),
    ]


def _masked(effect: ResponseEffect) -> ResponseEffect:
    match effect:
        case SetCookie(value=value) if value:
            return attrs.evolve(effect, value=_LEFT_OUT)
        case SetHeader(name, value) if isinstance(cast("object", value), Secret):
            return SetHeader(name, _LEFT_OUT)
        case _:
            return effect
