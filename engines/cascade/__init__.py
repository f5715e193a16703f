"""Models behind one another: where people are, their poses, and those once more.

Start reading at `estimator.py`. `models.py` says what goes together, `first_stage.py` finds people,
`refinement.py` says whose pose is looked at again; `engines/crop_stage.py` cuts people out and
shows them to a model.
"""
