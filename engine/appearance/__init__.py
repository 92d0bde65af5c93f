"""People as Gaussians on their bodies' surfaces, drawn into pictures and compared with the video."""
