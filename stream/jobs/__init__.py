"""Many files through one engine: what is to do, what is done, and how it survives a kill.

A job is a folder with a manifest. `find_inputs` names the files, `JobManifest` folds what is known
of each, `ManifestFile` keeps it on disk, `Job` works on what is left: several files at a time, each
with the same runner as `posestream run`, all of them through one `SharedEstimator`.
"""
