// Does what each line of stdin asks, by clients/jqjobs.mjs; see test_clients.py.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [, , file, url, meta] = process.argv;
const { Client, InvalidEnvelope, NoAnswer, NotStored } = await import(pathToFileURL(file));
const jq = new Client(url, { timeoutMs: 2000, ...(meta && { meta: () => JSON.parse(meta) }) });

async function run({ verb, queue, envelope, envelopes, answer, batch, options, count }) {
  if (verb === "enqueue") return { id: await jq.enqueue(queue, envelope) };
  if (verb === "enqueue_many") return { ids: await jq.enqueueMany(queue, envelopes) };
  if (verb === "open_batch") return { opened: (await jq.openBatch(batch, options)) ?? null };
  if (verb === "close_batch") return { closed: (await jq.closeBatch(batch, count)) ?? null };
  if (verb === "close") return { closed: (await jq.close()) ?? null };
  const { resolve: id, token } = answer;
  if ("error" in answer) return { answered: await jq.fail(queue, id, token, answer.error) };
  return { answered: await jq.resolve(queue, id, token, answer.result) };
}

function described(error) {
  if (error instanceof InvalidEnvelope) return { refused: error.code };
  if (!(error instanceof NotStored)) throw error;
  const kind = error instanceof NoAnswer ? "no_answer" : "not_stored";
  return { [kind]: error.message, ids: error.envelopes.map(({ id }) => id) };
}

for await (const line of createInterface(process.stdin)) {
  console.log(JSON.stringify(await run(JSON.parse(line)).catch(described)));
}
