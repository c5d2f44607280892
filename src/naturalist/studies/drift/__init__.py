"""Whether new pictures are like those before."""
