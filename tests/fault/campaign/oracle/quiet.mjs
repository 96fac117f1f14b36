// SPDX-License-Identifier: MIT
// Waiting until all is quiet: every command of the stream decided, every event out.
import { eventually, jetstreamApi, prefix, streams } from "../../../support/servers.mjs";

const behind = `SELECT count(*)::int AS count FROM lumin.partitions
  WHERE relayed_position <> event_position OR dead_relayed <> dead_position`;

/** Waits until every command of the stream is decided and every event is out, and stays so. */
export async function quiet(stage, { timeout = 300_000 } = {}) {
  const operator = await stage.rig.nats.connect("operator", { timeout: 10_000 });
  let before;
  let calm = 0;
  try {
    await eventually(
      async () => {
        const now = JSON.stringify(await standing(stage, operator));
        calm = now === before ? calm + 1 : 0;
        before = now;
        return calm >= 3;
      },
      { timeout, every: 250, what: "quiet" },
    );
  } finally {
    await operator.close();
  }
}

async function standing(stage, operator) {
  const info = (stream) => jetstreamApi(operator, `STREAM.INFO.${stream}`);
  const [commands, events] = await Promise.all([info(streams.commands), info(streams.events)]);
  const [{ count: open }] = await stage.sql(behind);
  if (open > 0) throw new Error(`${open} partitions are not relayed`);
  const [{ count: told }] = await stage.sql("SELECT count(*)::int AS count FROM lumin.events");
  if (told !== events.state.messages) throw new Error(`${events.state.messages} events on the stream, ${told} in all`);
  await nothingToDecide(stage, operator);
  return [commands.state.last_seq, events.state.last_seq];
}

async function nothingToDecide(stage, operator) {
  const inputs = await stage.sql("SELECT partition, input_seq::int AS input FROM lumin.partitions ORDER BY partition");
  const lasts = await Promise.all(inputs.map(({ partition }) => lastCommand(operator, partition)));
  const late = inputs.filter(({ input }, i) => input < lasts[i]).map(({ partition }) => partition);
  if (late.length > 0) throw new Error(`partitions ${late} have commands to decide`);
}

/** Waits until every command that the stream holds now is decided. */
export async function decided(stage, { timeout = 20_000 } = {}) {
  const done = async () => stage.withOperator((operator) => nothingToDecide(stage, operator)).then(() => true);
  await eventually(done, { timeout, every: 50, what: "a decision on every command" });
}

async function lastCommand(operator, partition) {
  const body = { last_by_subj: `${prefix}.command.${partition}.*.*` };
  const got = await jetstreamApi(operator, `STREAM.MSG.GET.${streams.commands}`, body).catch((error) => {
    if (error.code !== 404) throw error;
  });
  return got?.message.seq ?? 0;
}
