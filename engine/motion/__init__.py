"""Motion of people: read from other tools' files, solved onto the open body, kept prepared.

`engine.motion.prepared` is the one form in which everything else takes motion.
"""
