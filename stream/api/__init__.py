"""The daemon's REST API and its live page: who asks it, and what it tells.

`server.py` is where it starts: one thread with an event loop, which asks the supervisor's thread
through `Fleet`. `front_desk.py` is all that the routes know of the daemon.
"""
