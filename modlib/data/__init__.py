"""Data sets: images, and images without structure."""
