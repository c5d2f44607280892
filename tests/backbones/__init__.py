"""Tests of naturalist.backbones."""
