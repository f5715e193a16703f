"""Published weights, fetched and turned into checkpoints with our key names."""
