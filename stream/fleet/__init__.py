"""The daemon: many streams, decoded in worker processes, inferred in an engine process.

::

    decoder process (several streams)          supervisor                      engine process
    StreamReader -> FrameRateCap -> slot --->  FrameSchedule  -------------->  Estimator
                                    (shared    Tracker, Sink, FrameLedger <--  poses
                                    memory)    StreamMachine

Only descriptions of frames pass through the supervisor; pictures lie in memory that the decoder
made and that supervisor and engine map. `fleet.py` is where to start reading.
"""
