"""Maps in 2D and 3D and representative samples: made, measured, grown."""
