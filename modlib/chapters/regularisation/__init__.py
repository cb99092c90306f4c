"""Chapter ``regularisation``: do L1 and L2 make networks more clusterable?"""
