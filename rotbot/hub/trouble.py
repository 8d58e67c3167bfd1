"""What went wrong on the Hub, in one line that says what to do; and trying again where that helps."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from rotbot.errors import HubError

T = TypeVar("T")
Note = Callable[[str], None]

WAITS = (1.0, 2.0, 4.0)
"""Seconds before each further try; a ``Retry-After`` of the Hub goes before, up to :data:`LONGEST_WAIT`."""
LONGEST_WAIT = 60.0
TOO_MANY = 429
PASSING = (408, TOO_MANY, 500, 502, 503, 504)
"""Answers after which the same request may succeed."""
_CONFLICTS = (409, 412)
_TOKENS = "https://huggingface.co/settings/tokens"


def silent(message: str) -> None:
    """A :data:`Note` that nobody reads."""


def status_of(error: BaseException) -> int | None:
    """The HTTP status of a Hub's answer, None for any other error."""
    from huggingface_hub.errors import HfHubHTTPError

    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def patiently(call: Callable[[], T], note: Note = silent, slow_again: bool = True) -> T:
    """``call()``, tried again after a pause for as long as its failure is a passing one (:data:`WAITS`).

    A connection that cannot be made at all is not tried again, nor without ``slow_again`` one that gave no answer in
    time. Raises what the last try raised.
    """
    import httpx2

    for wait in WAITS:
        try:
            return call()
        except client_errors() as error:
            cause = _cause(error)
            if not is_passing(cause) or (isinstance(cause, httpx2.ReadTimeout) and not slow_again):
                raise
            seconds = pause_after(cause, wait)
            note(f"{_first_line(cause)}; again in {seconds:.0f} s")
            time.sleep(seconds)
    return call()


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    import httpx2

    if isinstance(error, httpx2.ConnectError):
        return False
    return status_of(error) in PASSING or isinstance(
        error, httpx2.TimeoutException | httpx2.NetworkError | httpx2.RemoteProtocolError
    )


def pause_after(error: BaseException, wait: float) -> float:
    """Seconds to wait: what the Hub asked for, at most :data:`LONGEST_WAIT`, else ``wait``."""
    from huggingface_hub.errors import HfHubHTTPError

    asked = error.response.headers.get("retry-after", "") if isinstance(error, HfHubHTTPError) else ""
    return min(float(asked), LONGEST_WAIT) if asked.isdigit() else wait


@contextmanager
def explained(subject: str) -> Generator[None]:
    """Turn what the Hub's clients raise in this block into a :class:`~rotbot.errors.HubError` about ``subject``."""
    try:
        yield
    except client_errors() as error:
        raise explain(error, subject) from error


def explain(error: BaseException, subject: str) -> HubError:
    """The one line about ``error``, which an operation on ``subject`` raised."""
    import httpx2

    error = _cause(error)
    passing = is_passing(error) or isinstance(error, httpx2.ConnectError) or status_of(error) in _CONFLICTS
    return HubError(f"{subject}: {reason(error)}", passing)


def client_errors() -> tuple[type[Exception], ...]:
    """What the Hub's clients raise when the Hub, the network or the cache does not do what was asked."""
    import httpx2
    from huggingface_hub import errors

    return (
        ConnectionError,  # hf_xet's; the others do not use Python's own
        httpx2.TransportError, errors.FileMetadataError, errors.HFValidationError, errors.HfHubHTTPError,
        errors.LocalEntryNotFoundError, errors.LocalTokenNotFoundError, errors.OfflineModeIsEnabled,
        errors.XetDownloadError,
    )  # fmt: skip


def _cause(error: BaseException) -> BaseException:
    """What the Hub's client met before it looked into its cache in vain."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    inner = error.__cause__
    return inner if isinstance(error, LocalEntryNotFoundError) and isinstance(inner, client_errors()) else error


def reason(error: BaseException) -> str:
    """What ``error`` comes down to, in one line."""
    import httpx2
    from huggingface_hub import errors
    from huggingface_hub.constants import ENDPOINT

    status = status_of(error)
    said = _said(error)
    if isinstance(error, errors.LocalTokenNotFoundError):
        return f"no token: run hf auth login, or set HF_TOKEN ({_TOKENS})"
    if isinstance(error, errors.OfflineModeIsEnabled | errors.LocalEntryNotFoundError):
        return "not in the cache, and HF_HUB_OFFLINE keeps us from asking the Hub"
    if isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        return f"cannot reach the Hub at {ENDPOINT} ({_first_line(error)})"
    if isinstance(error, httpx2.TransportError):
        return f"the connection to the Hub at {ENDPOINT} broke off ({_first_line(error) or type(error).__name__})"
    if _is_xet(error):
        return f"the Hub's Xet storage does not work here ({_first_line(error)}); HF_HUB_DISABLE_XET=1 does without it"
    if isinstance(error, errors.GatedRepoError):
        return f"access must be asked for first, at {ENDPOINT} ({said})"
    if isinstance(error, errors.RevisionNotFoundError):
        return "no such revision on the Hub"
    if isinstance(error, errors.RepositoryNotFoundError):
        private = "or it is private and no token is set (hf auth login, or HF_TOKEN)" if status == 401 else (
            "or it is private and this token may not see it"
        )  # fmt: skip
        return f"not on the Hub at {ENDPOINT}, {private}"
    if status == 401:
        return f"the Hub does not accept the token ({said}): run hf auth login, or set HF_TOKEN ({_TOKENS})"
    if status == 403:
        return f"this token may not do that ({said}); it needs write permission there ({_TOKENS})"
    if status == 409:
        return f"in conflict with what is on the Hub ({said})"
    if status == 412:
        return f"someone else has committed there in the meantime ({said})"
    if status == TOO_MANY:
        return "the Hub asks for a pause (429, too many requests)"
    if status is not None and status >= 500:
        return f"the Hub has trouble of its own ({status}: {said})"
    return said


def _is_xet(error: BaseException) -> bool:
    from huggingface_hub.errors import HfHubHTTPError, XetDownloadError

    asked_xet = isinstance(error, HfHubHTTPError) and "/xet-" in str(error.response.url)
    return asked_xet or isinstance(error, XetDownloadError | ConnectionError)


def _said(error: BaseException) -> str:
    """The Hub's own words where it had any."""
    from huggingface_hub.errors import HfHubHTTPError

    words = error.server_message if isinstance(error, HfHubHTTPError) else None
    return " ".join(words.split()) if words else _first_line(error)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
