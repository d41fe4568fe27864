"""The protocol's own routes, wherever the policy puts them."""

import pytest

from counterfoil import Policy, discovery, routes
from counterfoil.core import Route


@pytest.mark.parametrize(("base", "path"), [("/auth", "/auth"), ("/", ""), ("/Xa/bX", "/Xa/bX")])
def test_the_routes_are_below_the_base_path(base: str, path: str) -> None:
    policy = Policy("https://api.example.com", base_path=base)
    assert dict(routes(policy)) == {
        ("POST", f"{path}/session/refresh"): Route.REFRESH,
        ("POST", f"{path}/signout"): Route.SIGN_OUT,
        ("GET", f"{path}/jwt/jwks.json"): Route.JWKS,
        ("GET", f"{path}/.well-known/openid-configuration"): Route.DISCOVERY,
    }
    assert discovery(policy) == {
        "issuer": policy.issuer,
        "jwks_uri": f"https://api.example.com{path}/jwt/jwks.json",
    }
