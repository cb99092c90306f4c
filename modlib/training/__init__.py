"""Training: Keras and tensorflow-model-optimization, as in the clusterability papers."""
