"""Chapter ``random-datasets``: is it learning or only training that makes networks clusterable?"""
