"""Chapter ``topology-shuffles``: is it more than which weights are zero?"""
