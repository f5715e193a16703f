"""Offline: trains networks, evaluates them and exports artefacts; never imported at run time."""
