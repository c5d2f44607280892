"""Numerical building blocks that studies share: arrays in, arrays out."""
