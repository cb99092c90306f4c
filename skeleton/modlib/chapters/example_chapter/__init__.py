"""Chapter ``example-chapter``: are planted modules more clusterable than none?"""
