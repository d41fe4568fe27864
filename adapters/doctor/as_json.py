"""A diagnosis for tools."""

from __future__ import annotations

import json
from typing import Any

import attrs

from ...core import Policy
from ...core.diagnosis import Diagnosis
from .lines import cross_origin_lines, masked_lines, preflight_lines


def as_json(diagnosis: Diagnosis) -> str:
    """A JSON object: `works`, `findings`, and what is sent and sent back."""
    policy = diagnosis.policy
    told: dict[str, Any] = {
        "works": diagnosis.works,
        "findings": [attrs.asdict(finding) for finding in diagnosis.findings],
    }
    if policy is not None:
        told |= _sent(diagnosis, policy)
    return json.dumps(told, indent=2)


def _sent(diagnosis: Diagnosis, policy: Policy) -> dict[str, Any]:
    cookies = (policy.access_cookie, policy.refresh_cookie)
    return {
        "api": str(policy.api_origin),
        "site": str(policy.site_origin),
        "same_site": policy.is_same_site,
        "payload_room": diagnosis.payload_room,
        "answers": [
            {
                "to": specimen.occasion,
                "transfer": specimen.transfer,
                "headers": masked_lines(specimen),
            }
            for specimen in diagnosis.specimens
        ],
        "cors": {"preflight": preflight_lines(policy), "answer": cross_origin_lines(policy)}
        if policy.site_origin != policy.api_origin
        else None,
        "browser": [
            {
                "way": journey.way,
                "path": journey.path,
                "kept_back": dict(zip(cookies, journey.refusals, strict=True)),
            }
            for journey in diagnosis.journeys
        ],
    }
