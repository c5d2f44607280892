"""Studies of a collection: artifacts that `naturalist.analysis` makes of its tables.

A study reads the tables of a place (a workspace, a published or a pulled collection), calls
`naturalist.analysis`, and writes its results as a whole, with a receipt.
"""
