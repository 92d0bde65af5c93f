"""A simulated curator: how many gestures it takes to come near the truth.

`sight` is what a person sees of the video, `desk` what the window shows, `mistakes` compares the
two, `gestures` are what the window offers, `hand` slips, `curator` decides, `play` does it on a
project file, `report` and `plot` say what came of it. Imports neither Qt nor SQL.
"""
