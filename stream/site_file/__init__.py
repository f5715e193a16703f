"""What a daemon is to do: the site file, read once, checked whole, handed down in slices.

`site_model.py` says what may stand in it, `read_site.py` reads it and tells every fault at once.
"""
