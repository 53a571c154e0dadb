"""Reads what a run leaves behind with hdrh: FOLDER. Prints how often and how many the log has of each figure, and the
median in ms, in the order that the figures come in the log."""

import json
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

reader = HistogramLogReader(f"{sys.argv[1]}/latencies.hlog", HdrHistogram(1, 3_600_000_000, 3))
merged = {}
while (interval := reader.get_next_interval_histogram()) is not None:
    new = {"n_intervals": 0, "from": interval.get_start_time_stamp(), "all": HdrHistogram(1, 7_200_000_000, 3)}
    entry = merged.setdefault(interval.get_tag(), new)
    entry["n_intervals"] += 1
    entry["all"].add(interval)
for name, entry in merged.items():
    histogram = entry.pop("all")
    p50 = histogram.get_value_at_percentile(50) / 1000
    print(json.dumps({"name": name, **entry, "n": histogram.get_total_count(), "p50": p50}))
