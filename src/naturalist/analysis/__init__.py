"""Methods on arrays: maps, samples, clusters, classifiers, near duplicates, drift.

Everything here takes arrays and returns arrays or small values. Nothing here reads or writes
files, knows a workspace, or prints.
"""
