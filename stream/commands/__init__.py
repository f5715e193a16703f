"""The command line; the only part of `stream` that imports `engines`.

app.py          every command and option, and nothing that takes time to import
run_command.py  wires source, engine, tracker and sinks together and runs them
doctor.py, models.py
"""
