import traceback
from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ConfigError
from stream.sinks.redis_address import RedisAddress, parse_redis_address


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("redis://localhost", RedisAddress("localhost")),
        ("redis://localhost/3", RedisAddress("localhost", db=3)),
        ("redis://10.0.0.7:7000/0", RedisAddress("10.0.0.7", 7000)),
        ("redis://[::1]:7000/1", RedisAddress("::1", 7000, 1)),
        ("redis://:secret@h/0", RedisAddress("h", password="secret")),  # noqa: S106 - an example
        ("redis://ada:x@h", RedisAddress("h", username="ada", password="x")),  # noqa: S106
        (
            "redis://h/0?stream=front%20door&maxlen=500",
            RedisAddress("h", stream_name="front door", maxlen=500),
        ),
    ],
)
def test_every_form_is_read(location: str, address: RedisAddress) -> None:
    assert parse_redis_address(location) == address


@given(user=st.text(min_size=1), password=st.text(min_size=1))
def test_any_percent_encoded_login_is_read(user: str, password: str) -> None:
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    address = parse_redis_address(f"redis://{login}@host:7000/2")
    assert (address.username, address.password) == (user, password)
    assert (address.host, address.port, address.db) == ("host", 7000, 2)


def test_the_address_shows_neither_user_nor_password() -> None:
    address = parse_redis_address("redis://ada:hunter2@host:7000/2")
    assert str(address) == "redis://host:7000/2"
    assert "hunter2" not in repr(address)


@pytest.mark.parametrize(
    "location",
    [
        "redis://",
        "redis://:7000/0",
        "redis://host:port/0",
        "redis://host:70000/0",
        "redis://host/zero",
        "redis://host/-1",
        "redis://host/0/1",
        "redis://host/0?maxlen=0",
        "redis://host/0?maxlen=many",
        "redis://host/0?maxlen",
        "redis://host/0#part",
        "redis://[::1/0",
        "rediss://host/0",
    ],
)
def test_a_wrong_address_is_refused_with_the_right_form(location: str) -> None:
    with pytest.raises(ConfigError, match=r"redis address: .*redis://\[user:password@\]HOST"):
        parse_redis_address(location)


def test_an_unknown_option_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="no option 'max_len'; did you mean 'maxlen'"):
        parse_redis_address("redis://host/0?max_len=5")


@pytest.mark.parametrize(
    "password",
    ["hunter/2", "hunter?2", "hunter#2", "hunter[2", "12/hunter2", "12?hunter2", "12#hunter2"],
)
def test_a_password_that_is_not_encoded_is_explained_and_not_repeated(password: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_redis_address(f"redis://:{password}@host:7000/0")
    assert "%2F" in str(caught.value)
    assert "hunter" not in "".join(traceback.format_exception(caught.value))


@given(st.text())
def test_any_other_text_is_read_or_refused_by_our_own_error(text: str) -> None:
    with suppress(ConfigError):
        parse_redis_address("redis://" + text)
