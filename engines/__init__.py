"""Runs trained models: an artefact folder in, batches of frames to poses.

Imports only the value modules of `stream` (frame, picture, geometry, pose, skeleton, errors).
An engine loads an artefact and knows no network architecture; pixels go in, poses come out.

    artefact.py        the folder of a model: manifest, hashes
    engine.py          the Engine protocol
    openvino_engine.py, onnxruntime_engine.py, replay_engine.py
    open_engine.py     picks an engine by name, or the best this machine has
    decoding/          the small batched step after a graph (greedy suppression)
    estimator.py       frames to poses: the only class the rest of the system sees
    zoo/               the models that ship with posestream
"""
