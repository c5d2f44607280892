"""Words for pictures without the internet: a network's classes, paths and columns, concepts.

:mod:`.index` keeps the words of a collection, :mod:`.search` asks them, :mod:`.naming` makes names
for groups of them; what they are made of takes arrays and returns arrays (:mod:`.methods`).
"""
