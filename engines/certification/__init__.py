"""Whether an engine may be trusted: its people beside those of the fp32 reference.

picture_set.py   what is compared on: drawn people that come along, or a folder of real pictures
agreement.py     how two lists of people differ; pure
probe.py         a picture set as the inputs of a graph, whatever its stage
candidates.py    the people an engine finds in a picture set
reference.py     the people that the reference found, recorded with the model or found here
certificate.py   the figures, the limits and the verdict, as JSON
shelf.py         where certificates lie: with the model, and in the user's store
certify.py       measures an engine
trusted_engine.py  opens an engine that holds its limits, or steps down out loud
"""
