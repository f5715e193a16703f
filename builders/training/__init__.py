"""Data, targets, losses and the training loop."""
