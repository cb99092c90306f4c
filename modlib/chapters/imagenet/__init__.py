"""Chapter ``imagenet``: are large pretrained networks, whose layers branch, clusterable?"""
