"""Connections to a Redis or Valkey server, as everything here wants them."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from stream.sinks.redis_address import RedisAddress

KEY_PREFIX = "posestream:"
FIELD = "result"


def redis_client(address: RedisAddress, timeout_seconds: float) -> Redis:
    """A client that connects with its first command and retries nothing.

    Who writes must look for doubles before a retry, so that is left to them.
    """
    return Redis(
        host=address.host,
        port=address.port,
        db=address.db,
        username=address.username,
        password=address.password,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        # A stream named after a file whose name is not UTF-8 keeps its bytes.
        encoding_errors="surrogateescape",
        retry=Retry(NoBackoff(), 0),
    )


def connect_remedy(error: RedisError) -> str:
    """What to do about a server that does not serve."""
    login = isinstance(error, AuthenticationError) or str(error).startswith(("NOAUTH", "NOPERM"))
    if login:
        return "check user and password (special characters percent-encoded)"
    return "start the server or check host, port and database"
