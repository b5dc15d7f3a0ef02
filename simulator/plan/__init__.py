"""The plan (``tt.plan.json``): the one contract between host and device.

``schema`` says what a plan is, ``load`` reads one, ``validate`` says what it must mean.
"""
