// The vendor's JavaScript SDK, unchanged but for its address: streams a WAVE file as it is, container and all, at its own pace
// and prints every message as a line of JSON. Usage: node listen.cjs ADDRESS SECRET FILE (NODE_PATH: where the SDK is)
"use strict";
const fs = require("node:fs");
const { DeepgramClient } = require("@deepgram/sdk");

const [address, secret, path] = process.argv.slice(2);
const bytes = fs.readFileSync(path);
const bytesPerSecond = bytes.readUInt32LE(28); // RIFF WAVE, nAvgBytesPerSec

async function main() {
  const client = new DeepgramClient({ apiKey: secret, baseUrl: `ws://${address}` });
  const connection = await client.listen.v1.connect({
    model: "nova-3",
    interim_results: "true",
    punctuate: "true",
    vad_events: "true",
    utterance_end_ms: 1000,
  });
  let finalized;
  const isFinalized = new Promise((resolve) => (finalized = resolve));
  const isClosed = new Promise((resolve) => connection.on("close", resolve));
  connection.on("message", (message) => {
    if (message.from_finalize) finalized();
    console.log(JSON.stringify(message));
  });
  connection.on("error", (error) => console.log(JSON.stringify({ error: String(error) })));
  connection.connect();
  await connection.waitForOpen();

  const piece = bytesPerSecond / 10;
  const started = performance.now();
  for (let number = 1; (number - 1) * piece < bytes.length; number++) {
    connection.sendMedia(bytes.subarray((number - 1) * piece, number * piece));
    if (number === 50) connection.sendKeepAlive({ type: "KeepAlive" });
    if (number === 100) connection.sendFinalize({ type: "Finalize" });
    const early = started + number * 100 - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
  }
  await isFinalized;
  connection.sendCloseStream({ type: "CloseStream" });
  const { code, reason } = await isClosed;
  console.log(JSON.stringify({ type: "closed", code, reason }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
