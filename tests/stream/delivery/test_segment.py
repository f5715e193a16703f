from hypothesis import given
from hypothesis import strategies as st

from stream.delivery.record import Record
from stream.delivery.segment import pack, unpack
from stream.wire_gap import FrameMark

NUMBERS = st.integers(0, 2**64 - 1)
MARKS = st.builds(
    FrameMark,
    epoch=st.integers(0, 2**32 - 1),
    frame=NUMBERS,
    captured_ms=st.integers(-(2**63), 2**63 - 1),
)
LINES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
RECORDS = st.lists(
    st.builds(Record, sequence=NUMBERS, id=st.tuples(NUMBERS, NUMBERS), mark=MARKS, line=LINES),
    max_size=6,
)


def records_in(contents: bytes) -> list[Record]:
    return [record for _, record in unpack(contents)]


@given(RECORDS)
def test_what_is_packed_is_unpacked(records: list[Record]) -> None:
    assert records_in(b"".join(map(pack, records))) == records


@given(RECORDS, st.data())
def test_a_cut_leaves_the_whole_records_before_it(
    records: list[Record], data: st.DataObject
) -> None:
    packed = [pack(record) for record in records]
    contents = b"".join(packed)
    cut = data.draw(st.integers(0, len(contents)))
    ends = [sum(map(len, packed[: n + 1])) for n in range(len(packed))]
    whole = sum(end <= cut for end in ends)

    assert records_in(contents[:cut]) == records[:whole]


@given(RECORDS.filter(bool), st.data())
def test_damage_costs_only_the_records_it_touches(
    records: list[Record], data: st.DataObject
) -> None:
    packed = [pack(record) for record in records]
    contents = bytearray(b"".join(packed))
    place = data.draw(st.integers(0, len(contents) - 1))
    contents[place] ^= data.draw(st.integers(1, 255))
    ends = [sum(map(len, packed[: n + 1])) for n in range(len(packed))]
    hit = next(n for n, end in enumerate(ends) if place < end)

    assert records_in(bytes(contents)) == records[:hit] + records[hit + 1 :]


@given(st.binary(max_size=200), RECORDS, st.binary(max_size=200))
def test_noise_around_records_is_left_out(
    before: bytes, records: list[Record], after: bytes
) -> None:
    found = records_in(before + b"".join(map(pack, records)) + after)

    assert found == records


@given(st.binary(max_size=500))
def test_noise_alone_is_no_record(noise: bytes) -> None:
    assert records_in(noise) == []
