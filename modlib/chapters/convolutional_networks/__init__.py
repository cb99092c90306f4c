"""Chapter ``convolutional-networks``: are the channels of convolutions clusterable, as units of perceptrons are?"""
