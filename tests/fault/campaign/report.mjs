// SPDX-License-Identifier: MIT
// The report of a campaign, as Markdown: for the terminal, a file, and docs/reliability.md.
import { natsVersion } from "../../support/servers.mjs";

function percentile(list, share) {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(list.length - 1, Math.floor(list.length * share))];
}

function times(list) {
  if (list.length === 0) return "none was measured";
  const [half, most, worst] = [0.5, 0.95, 1].map((share) => `${(percentile(list, share) / 1000).toFixed(2)} s`);
  return `${list.length} measured; median ${half}, 95 % within ${most}, longest ${worst}`;
}

function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function skipped(campaign, fault) {
  const why = campaign.whySkipped(fault);
  return why && `skipped: ${why}`;
}

export function report(campaign) {
  const { totals, journal, reach, peaks } = campaign;
  const number = ({ id }) => Number(id.slice(1));
  const faults = [...campaign.counts].sort(([a], [b]) => number(a) - number(b));
  const injected = faults.reduce((sum, [, count]) => sum + count, 0);
  const told = ([fault, count]) => [fault.id, fault.name, count || (skipped(campaign, fault) ?? 0)];
  const verdict = journal.findings.length === 0 ? "no violation" : `${journal.findings.length} VIOLATIONS`;
  const server = `nats-server ${natsVersion().join(".")}`;
  const run = `Seed ${campaign.seed}, ${campaign.seconds} s, ${campaign.workers} workers, ${server}`;
  const lines = [
    `${run}: **${verdict}** in ${totals.outcomes} commands and ${injected} faults.`,
    "",
    table(
      ["what", "count"],
      [
        ["attempts in the history", totals.attempts],
        ["commands with an outcome", totals.outcomes],
        ["queries answered", totals.queries],
        ["events", totals.events],
        ["users", totals.users],
        ["dead commands", totals.dead],
        ["answered and lost", totals.lost],
        ["accepted by a stream that was then taken away, and gone with it", totals.gone],
        ["doubled", totals.doubled],
        ["events missing on the stream", totals.missing],
        ["out of order on the stream", totals.disordered],
        ["sequences for which replicas of nats-server had two commands", totals.split],
        ["commands that only a replica had which was not the leader when they were read", totals.overlooked],
      ],
    ),
    "",
    table(["fault", "name", "injected"], faults.map(told)),
    "",
    `Take-overs of a killed worker's partitions: ${times(campaign.takeOvers)}.`,
    `First answer after a fault was over: ${times(campaign.recoveries)}.`,
    `A worker had at most ${peaks.rss} MiB of memory, ${peaks.fds} file descriptors, ${peaks.threads} threads.`,
    "",
    table(["rare path", "times"], [...reach.counts.entries()].map(([name, count]) => [name, count])),
  ];
  if (journal.findings.length > 0) {
    lines.push("", ...journal.findings.slice(0, 100).map(({ rule, text }) => `- ${rule}: ${text}`));
  }
  return `${lines.join("\n")}\n`;
}
