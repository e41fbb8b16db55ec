"""What goes wrong between us and a server over HTTP; `chromasql.adapters.http` exports these errors."""

from __future__ import annotations

from chromasql.errors import ChromaSQLError

__all__ = ["HttpConnectionError", "HttpError", "HttpNotFoundError", "HttpResponseError"]


class HttpError(ChromaSQLError):
    """
    The server answered, and refused.

    ``status`` is HTTP's. ``kind`` is Chroma's own word for it, such as "InvalidArgumentError", or None where
    something else answered. ``retry_after`` is the number of seconds the server asks to wait, or None.
    """

    default_code = "http-error"

    def __init__(self, message: str, *, status: int, kind: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.retry_after = retry_after


class HttpNotFoundError(HttpError, LookupError):
    """The collection does not exist, or no longer under the id that its handle holds."""

    default_code = "unknown-collection"


class HttpConnectionError(ChromaSQLError, ConnectionError):
    """
    The server was not reached, hung up, or did not answer in time.

    ``is_transient`` tells whether the same request may succeed when it is sent again, as it may where the connection
    was refused or reset.
    """

    default_code = "connection-failed"

    def __init__(self, message: str, *, code: str | None = None, is_transient: bool = False) -> None:
        super().__init__(message, code=code)
        self.is_transient = is_transient


class HttpResponseError(ChromaSQLError):
    """
    What came back is cut short, is not JSON, or has lists that do not line up.

    ``is_transient`` tells whether the same request may succeed when it is sent again, as it may where the answer
    was cut.
    """

    default_code = "malformed-response"

    def __init__(self, message: str, *, is_transient: bool = False) -> None:
        super().__init__(message)
        self.is_transient = is_transient
