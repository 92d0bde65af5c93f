"""The same people filmed by several calibrated cameras: true 2D joints to measure perception by.

python -m engine.multiview VIDEOS CALIBRATION OUT
"""
