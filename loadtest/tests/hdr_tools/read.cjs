// Reads what a run leaves behind with hdr-histogram-js: FOLDER. Prints for each figure of report.json the percentile
// distribution that this tool makes of its histogram, in ms, and how often and how many the log has of it.
const hdr = require("hdr-histogram-js");
const fs = require("fs");
const folder = process.argv[2];

const log = {};
const reader = new hdr.HistogramLogReader(fs.readFileSync(`${folder}/latencies.hlog`, "utf8"));
for (let interval; (interval = reader.nextIntervalHistogram()); ) {
  const of = (log[interval.tag] ??= { n_intervals: 0, from: interval.startTimeStampMsec, n: 0 });
  of.n_intervals += 1;
  of.n += interval.totalCount;
}
for (const { name, latency } of JSON.parse(fs.readFileSync(`${folder}/report.json`, "utf8")).figures) {
  let histogram = hdr.decodeFromCompressedBase64(latency.histogram);
  histogram.autoResize = true;
  if (latency.n_never > 0) histogram.recordValueWithCount(3_600_000_000, latency.n_never);
  // Once more through the encoding: else the maximum is the value that was recorded and not that of its bucket.
  histogram = hdr.decodeFromCompressedBase64(hdr.encodeIntoCompressedBase64(histogram));
  console.log(JSON.stringify({ name, ...log[name], text: histogram.outputPercentileDistribution(5, 1000) }));
}
