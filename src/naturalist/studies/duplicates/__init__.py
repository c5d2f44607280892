"""Groups of near duplicates by perceptual hash."""
