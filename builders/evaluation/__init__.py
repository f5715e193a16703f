"""Accuracy: COCO keypoint evaluation and comparisons with peers."""
