"""Clips with known truth, drawn from motion: `synthesize` writes one, `read_truth` reads it.

A clip is four files: video.mp4, truth.npz (engine.synthesis.truth), observations-clean.npz and
observations-detector.npz (engine.files). Everything follows from the motion and a seed.
"""
