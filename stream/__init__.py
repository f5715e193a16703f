"""Moves frames in and results out; knows no network and no engine.

The data path (start reading at `stream/inline.py`)::

    Source.frames()      -> Frame            stream/ingest/
    Batcher              -> FrameBatch       stream/batcher.py
    Estimator            -> [FramePoses]     engines/estimator.py
    Tracker              -> TrackedPoses     stream/tracking/
    Sink.publish         -> None             stream/sinks/
    FrameLedger          every frame ends in exactly one counted outcome

Words: a *stream* is a configured video stream, a *source* where its frames come from, an *epoch* an
unbroken run of a stream's clock, a *canvas* the fixed-size picture a full-frame engine takes, a
*pose* one person in one frame, a *track* a pose over time, an *outcome* what became of a frame.
Coordinates: x right, y down, pixel centres at integers, pixels of the source frame unless said.
"""
