"""Words for pictures without the internet: a network's classes, paths and metadata, concepts.

One module for each source of words (:mod:`.classes`, :mod:`.paths`, :mod:`.concepts`), the nouns of
WordNet that relate them (:mod:`.nouns`), one index of a collection (:mod:`.index`), and what is made
of it: search (:mod:`.search`) and names for groups (:mod:`.naming`).
"""
