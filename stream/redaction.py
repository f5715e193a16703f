"""Takes logins out of text before anybody reads it."""

import re

# The last @ of the word ends the login: passwords may hold / ? # and @ themselves. A path with an @
# loses more than it must; a password never stays.
_LOGIN = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s'\"]*@", re.IGNORECASE)
_SECRET_FIELD = re.compile(
    r"([?&;](?:password|passwd|pwd|pass|token|secret|auth|api_?key|key|signature|sig)=)[^&;\s'\"]*",
    re.IGNORECASE,
)
HIDDEN = "***"


def redacted(text: str) -> str:
    """The text with `user:password@` of URLs and secret query fields replaced by `***`."""
    return _SECRET_FIELD.sub(rf"\g<1>{HIDDEN}", _LOGIN.sub(rf"\g<1>{HIDDEN}@", text))
