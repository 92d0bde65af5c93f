"""How good a fit is: fixed suites of cases with known truth, named ways to fit them, one table.

`suites` derives cases from motion files, `levels` says what a fit is told of a case,
`configurations` names the ways to fit, `running` does the work in processes of its own, `table`
averages, and `baseline` sets results beside those that were kept. See docs/benchmarks.md.
"""
