"""How good a prior is: as estimator, as infiller, at telling partners, at obeying distances.

`running` does all of it for networks side by side and makes flat rows; the other files are one
question each. See docs/prior.md for what each number means.
"""
