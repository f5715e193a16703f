"""Decoded pictures to canvases and crops on an NVIDIA GPU, in one launch, with its twins."""
