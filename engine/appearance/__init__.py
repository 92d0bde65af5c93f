"""People as Gaussians on their bodies, drawn into pictures and compared with the video."""
