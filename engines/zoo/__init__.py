"""The models that ship with posestream: one folder each, data only."""
