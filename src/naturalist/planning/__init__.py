"""Estimates of time, disk, memory, requests and cost before anything runs."""
