"""Looking at a run: profiles, traces and breakpoints, as observers of ``RunOptions.observer``."""

from simulator.observe.breakpoint import Breakpoint, Snapshot, Stopped
from simulator.observe.location import Location, LocationError, listing, parse_location
from simulator.observe.profile import OpProfile, Profiler
from simulator.observe.tiles import TileView, parse_dump
from simulator.observe.trace import Tracer

__all__ = [
    "Breakpoint",
    "Location",
    "LocationError",
    "OpProfile",
    "Profiler",
    "Snapshot",
    "Stopped",
    "TileView",
    "Tracer",
    "listing",
    "parse_dump",
    "parse_location",
]
