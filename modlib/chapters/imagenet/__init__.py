"""Chapter ``imagenet``: are large networks clusterable, which branch and come trained?"""
