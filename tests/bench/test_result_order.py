from tests.bench.result_order import Found, found_in


def test_whole_epochs_in_order_have_no_fault() -> None:
    assert found_in([(0, 0), (0, 1), (2, 0), (2, 1), (2, 2)]) == Found(5, 2, 0, 0, 0, 0)


def test_every_fault_is_counted_as_what_it_is() -> None:
    assert found_in([(0, 0), (0, 2), (0, 2)]) == Found(3, 1, 1, 0, 1, 0)
    assert found_in([(1, 1), (1, 0)]) == Found(2, 1, 0, 1, 0, 0)
    assert found_in([(3, 2), (3, 3)]) == Found(2, 1, 0, 0, 0, 2)


def test_nothing_has_no_fault() -> None:
    assert found_in([]) == Found(0, 0, 0, 0, 0, 0)
