"""Words as arrays: nouns, queries, tokens, classes and concepts; nothing is read or written."""
