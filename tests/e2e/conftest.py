"""The example project has a pytest of its own: test_pytest_plugin.py runs it."""

collect_ignore = ["plugin_example"]
