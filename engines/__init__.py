"""Runs trained models: an artefact folder in, batches of frames to poses.

Imports only the value modules of `stream` (frame, picture, geometry, pose, skeleton, errors).
An engine loads an artefact and knows no network architecture; pixels go in, poses come out.

    artefact.py         the folder of a model: manifest, hashes
    zoo_models.py       finds models by name (zoo/, those that ship) or by path
    engine.py           the Engine protocol
    benchmark.py        times engines, pairs in turn
    open_engine.py      picks an engine by name, or the best this machine has
    engine_options.py   what may be said about opening one
    openvino_engine.py, onnxruntime_engine.py, torch_engine.py, tensorrt_engine.py, replay_engine.py
    bucket_engine.py    what most share: a batch rides in graphs compiled for a few sizes
    shape_buckets.py    which rides a batch takes; pure
    tensorrt_backend.py TensorRT and TensorRT-RTX behind one set of names
    cuda_batch.py       buffers, streams and graphs on an NVIDIA GPU
    nvidia_driver.py    which GPU there is
    engine_store.py     built engines on disk, found again by what they were built from
    tensor_check.py     tensors against what the manifest says of them
    hardware.py         instruction sets, cores this process may use
    certification/      whether an engine agrees with the fp32 reference
    decoding/           the small batched step after a graph (suppression of doubles)
    canvas_stage.py     frames on canvases through a graph, in batches
    estimator.py        frames to poses: the only class the rest of the system sees
    detector.py         frames to boxes of people, for cascades
"""
