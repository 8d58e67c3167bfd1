"""Whose token this is, and where it may write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rotbot.errors import HubError

TIMEOUT = 10.0
_WRITERS = ("write", "contributor", "admin")


@dataclass(frozen=True, slots=True)
class Account:
    """The user behind the token. ``role`` is the token's: ``read``, ``write``, ``fineGrained``, or what the Hub calls
    it; ``orgs`` are the organizations in which the user may write."""

    name: str
    role: str
    orgs: tuple[str, ...]


def whoami() -> Account:
    """Ask the Hub who we are. Raises as :func:`ask` does, and ``LocalTokenNotFoundError`` without a token."""
    from huggingface_hub import constants, get_token
    from huggingface_hub.errors import LocalTokenNotFoundError

    if not constants.is_offline_mode() and not get_token():
        raise LocalTokenNotFoundError("no token")
    return ask(TIMEOUT)


def ask(timeout: float) -> Account:
    """The Hub's answer to who we are, within ``timeout`` seconds.

    Raises what the Hub's client raises: ``HfHubHTTPError`` with the status 401 for a token that is not accepted or not
    there, ``httpx2.TransportError`` without a network, ``OfflineModeIsEnabled``.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    url = f"{constants.ENDPOINT}/api/whoami-v2"
    response = get_session().get(url, headers=build_hf_headers(), timeout=timeout)
    hf_raise_for_status(response)
    body: dict[str, Any] = response.json()
    access = body.get("auth", {}).get("accessToken", {})
    orgs = [org["name"] for org in body.get("orgs", []) if org.get("roleInOrg", "write") in _WRITERS]
    return Account(body["name"], access.get("role", "unknown"), tuple(orgs))


def check_may_write(account: Account, owner: str, create_pr: bool) -> None:
    """Raise :class:`~rotbot.errors.HubError` if ``account`` can be seen not to have the right to write to ``owner``.

    Anyone may propose a pull request. What a fine-grained token may do, the Hub alone knows.
    """
    if account.role == "read":
        raise HubError(f"the token of {account.name} may only read: expected one with write permission")
    if not create_pr and owner != account.name and owner not in account.orgs:
        places = ", ".join([account.name, *account.orgs])
        raise HubError(f"{account.name} may write to {places}, not to {owner}; --create-pr proposes a change instead")
