// BullMQ: finished jobs are removed, concurrency is an argument, all else as by default.
//
// node peers/bullmq.cjs work 100      a worker
// node peers/bullmq.cjs produce       the producer, which obeys as peers/produce.py does

const fs = require("node:fs");
const readline = require("node:readline");
const { setTimeout: sleep } = require("node:timers/promises");
const { Queue, Worker } = require("bullmq");

const ledger = fs.openSync(process.env.BENCH_LEDGER, "r+");
const napMs = 1000 * Number(process.env.BENCH_NAP_S ?? "0.01");
const connection = { path: process.env.JQ_REDIS_URL.replace("unix://", ""), maxRetriesPerRequest: null };
const BULK = 200;

function ran(index) {
  const cell = Buffer.alloc(8);
  cell.writeBigInt64LE(process.hrtime.bigint());
  fs.writeSync(ledger, cell, 0, 8, index * 8);
}

async function perform(job) {
  if (job.name === "nap") await sleep(napMs);
  ran(job.data.index);
}

async function idle(queue, count, mostS) {
  const ends = process.hrtime.bigint() + BigInt(Math.round(mostS * 1e9));
  const cell = Buffer.alloc(8);
  const took = [];
  for (let index = 0; index < count && process.hrtime.bigint() < ends; index++) {
    await sleep(15 + 25 * Math.random());
    const before = process.hrtime.bigint();
    await queue.add("noop", { index });
    do {
      await sleep(5);
      if (process.hrtime.bigint() - before > 15_000_000_000n) throw new Error(`job ${index} never ran`);
      fs.readSync(ledger, cell, 0, 8, index * 8);
    } while (!cell.readBigInt64LE());
    took.push(Number(cell.readBigInt64LE() - before));
  }
  return took;
}

async function obey(queue, order) {
  if (order.do === "idle") return idle(queue, order.count, order.most_s);
  const started = process.hrtime.bigint();
  if (order.do === "many") {
    for (let at = 0; at < order.count; at += BULK) {
      const length = Math.min(BULK, order.count - at);
      await queue.addBulk(Array.from({ length }, (_, n) => ({ name: order.job, data: { index: at + n } })));
    }
  } else {
    for (let index = 0; index < order.count; index++) await queue.add(order.job, { index });
  }
  return Number(process.hrtime.bigint() - started) / 1e9;
}

async function produce() {
  const queue = new Queue("bench", { connection, defaultJobOptions: { removeOnComplete: true } });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await obey(queue, JSON.parse(line))));
  }
}

if (process.argv[2] === "work") {
  new Worker("bench", perform, { connection, concurrency: Number(process.argv[3]) });
} else {
  produce();
}
