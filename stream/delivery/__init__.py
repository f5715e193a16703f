"""Results of live streams on their way to sinks that may be slow, full or away.

A `Record` is a result's line with the id under which it is delivered and its place in the stream's
sequence. Each stream has one `Lane` into each sink: a bounded queue in memory, and a `Spool` on
disk while the sink is away. Each sink has one `Courier`, the loop of its own thread, which takes
the lanes' records to a `Target` (Redis, JSONL files). `LiveDelivery` is all of them together; it
gives every stream a `DeliverySink`, whose `publish` never waits.

Whatever is lost, wherever, leaves a jump in the sequence. The lane sees the jump where it hands
records over, and puts a gap record there that counts what is missing.
"""
