from threading import Thread, get_ident

import pytest

from stream.errors import ConfigError
from stream.fleet.inbox import BusyError, Inbox


def refuse() -> None:
    raise ConfigError("no")


def test_before_anybody_serves_every_caller_does_it_himself() -> None:
    inbox = Inbox()
    assert inbox.call(get_ident) == get_ident()
    inbox.close()


def test_a_call_of_another_thread_is_done_by_the_one_that_serves() -> None:
    inbox = Inbox()
    inbox.own()
    answers: list[int] = []
    thread = Thread(target=lambda: answers.append(inbox.call(get_ident)))
    thread.start()
    while thread.is_alive():
        inbox.serve()
    assert answers == [get_ident()]
    inbox.close()


def test_an_error_is_the_callers() -> None:
    inbox = Inbox()
    inbox.own()
    with pytest.raises(ConfigError):
        inbox.call(refuse)
    errors: list[str] = []

    def ask() -> None:
        try:
            inbox.call(refuse)
        except ConfigError as error:
            errors.append(str(error))

    thread = Thread(target=ask)
    thread.start()
    while thread.is_alive():
        inbox.serve()
    assert errors == ["no"]
    inbox.close()


def test_who_still_waits_at_the_end_is_served() -> None:
    inbox = Inbox()
    inbox.own()
    answers: list[int] = []
    thread = Thread(target=lambda: answers.append(inbox.call(lambda: 1)))
    thread.start()
    while thread.is_alive():
        inbox.disown()
        inbox.own()
    inbox.disown()
    assert answers == [1]
    inbox.close()


def test_nobody_is_served_after_the_end() -> None:
    inbox = Inbox()
    inbox.own()
    inbox.disown()
    inbox.close()
    with pytest.raises(BusyError, match="ended"):
        inbox.call(lambda: 1)
