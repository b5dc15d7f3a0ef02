"""Campaigns: who draws and runs which cases, and what is kept of them."""
