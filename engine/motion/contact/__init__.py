"""Close contact made from the motion of single people: hugs, holds, pushes.

`catalogue.py` says who touches whom where and when, `bases.py` finds stretches of captured motion
to begin with, `rehearsal.py` brings joints to where they are wanted, `closing.py` brings skins
together without going through each other, `plausibility.py` throws away what no people would do,
`generator.py` does it all.
"""
