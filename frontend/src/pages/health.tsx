// Health: what a data engineer looks at in the morning.

import { useState } from "preact/hooks";
import { Bars, Stacks } from "../charts/bars";
import { hasCourse, type Spot, Trend, type TrendProps } from "../charts/trend";
import { count, day, days, decimal, duration, many, moment, money, sentence, share, size, words } from "../format";
import { source } from "../data";
import { useJson } from "../load";
import { link } from "../route";
import { categoryColour } from "../palette";
import type { About, Drift, HealthDoc, Run, RunTrend } from "../types";
import { Card, Empty, Figure, PictureTile, Prose, Select, Shown, Table } from "../ui";

const STAGES = ["ingest", "extract", "verify-features", "tables", "verify-tables", "analyse", "publish"];

export function HealthPage({ about }: { about: About }) {
  const health = useJson<HealthDoc>("health");
  return (
    <div class="page">
      <h1>Health</h1>
      <Shown of={health}>
        {(doc) => (
          <>
            <Alerts doc={doc} />
            <Headline doc={doc} />
            <div class="cards packed">
              <Stages doc={doc} />
              <Trends doc={doc} />
              <History doc={doc} />
              <Sources doc={doc} />
              <Growing doc={doc} order={about.categories.map((c) => c.name)} />
              <Failures doc={doc} />
              <Verified doc={doc} />
              <Drifts reports={doc.drift} />
              <Storage doc={doc} />
              <Published doc={doc} />
            </div>
          </>
        )}
      </Shown>
    </div>
  );
}

function Alerts({ doc }: { doc: HealthDoc }) {
  if (!doc.alerts.length) {
    return <p class="banner good">All is well: no threshold is crossed.</p>;
  }
  return (
    <ul class="alerts" aria-label="Alerts">
      {doc.alerts.map((alert) => (
        <li class={`banner ${alert.level}`}>
          <strong>{alert.level === "bad" ? "Act" : "Look"}</strong> <Prose text={alert.text} />
        </li>
      ))}
    </ul>
  );
}

function Headline({ doc }: { doc: HealthDoc }) {
  const { last_run: last, next_run: next, snapshot } = doc.freshness;
  const accepted = doc.totals.reduce((sum, row) => sum + row.accepted, 0);
  const seen = doc.totals.reduce((sum, row) => sum + row.seen, 0);
  return (
    <div class="figures">
      <Figure value={count(accepted)} what={`${accepted === 1 ? "picture" : "pictures"}, of ${many(seen, "file")} seen`} />
      {last && (
        <Figure
          value={last.age_s === null ? "?" : `${duration(Math.max(0, last.age_s))} ago`}
          what={`last run: ${last.outcome === "done" ? "done" : last.outcome} in ${duration(last.duration_s ?? 0)}`}
          tone={last.outcome === "done" ? "good" : "bad"}
        />
      )}
      {doc.running && <Figure value="running" what="a run holds the workspace now" tone="warn" />}
      {next?.at && <Figure value={moment(next.at)} what={`next run, by ${next.schedule} (${next.time_zone})`} />}
      {snapshot?.id && (
        <Figure
          value={snapshot.id}
          what={`newest snapshot${snapshot.age_s === null ? "" : `, ${duration(snapshot.age_s)} old`}`}
        />
      )}
    </div>
  );
}

const USUALLY = 3;

function Stages({ doc }: { doc: HealthDoc }) {
  const last = doc.runs[doc.runs.length - 1];
  if (!last) {
    const what =
      doc.kind === "workspace" ? "No run has been made here yet." : "A published collection does not say how its runs went.";
    return (
      <Card title="Stages of the last run" wide>
        <Empty what={what} command={doc.kind === "workspace" ? "naturalist run" : undefined} />
      </Card>
    );
  }
  const rows = STAGES.map((name) => {
    const facts = last.stages?.[name];
    const before = doc.runs.slice(0, -1).map((run) => seconds(run, name)).filter((s) => s > 0);
    const usual = median(before);
    const state = facts ? "done" : last.outcome === "done" ? "not configured" : "not reached";
    return [
      words(name).replaceAll(" ", "\u00a0"),
      <span class={`state ${facts ? "good" : ""}`}>{state}</span>,
      facts ? duration(seconds(last, name)) : "",
      usual ? duration(usual) : "",
      facts ? (name === "analyse" ? studies(facts) : summary(facts)) : "",
    ];
  });
  // Nothing is usual after one run.
  const usual = rows.some((row) => row[USUALLY]);
  const kept = <T,>(row: T[]) => (usual ? row : row.filter((_, k) => k !== USUALLY));
  return (
    <Card title="Stages of the last run" note={last.error ? <Prose text={last.error} /> : undefined} wide>
      <Table caption="Stages of the last run" head={kept(["stage", "state", "took", "usually", "what it did"])} rows={rows.map(kept)} numeric={usual ? [2, USUALLY] : [2]} />
    </Card>
  );
}

function seconds(run: Run, stage: string): number {
  return Number(run.stages?.[stage]?.duration_s ?? 0);
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

const PHRASES: Record<string, (value: number) => string> = {
  pictures: (n) => many(n, "picture"),
  refused: (n) => `${count(n)} refused`,
  shards: (n) => `${many(n, "file")} of features`,
  written: (n) => `${many(n, "table")} written`,
  checked: (n) => `${many(n, "file")} checked`,
  rows: (n) => `${many(n, "row")} in them`,
  hard: (n) => many(n, "error"),
  soft: (n) => many(n, "warning"),
  files: (n) => `${many(n, "file")} in the snapshot`,
  size_bytes: (n) => `${size(n)} in all`,
  sent_files: (n) => `${many(n, "file")} sent`,
  sent_bytes: (n) => `with ${size(n)}`,
  repaired_files: (n) => `${many(n, "file")} repaired`,
  repaired: (n) => `${count(n)} repaired`,
  // Reports of earlier versions.
  mended_files: (n) => `${many(n, "file")} repaired`,
  mended: (n) => `${count(n)} repaired`,
  overwritten: (n) => `${many(n, "file")} overwritten by their owners`,
  restored: (n) => `${count(n)} restored`,
  retired: (n) => `${count(n)} retired`,
};

/** In the order of the phrases. */
const SAID = Object.keys(PHRASES);

/** What a stage did, in words; what it did not do is left out, but for findings. */
function summary(facts: Record<string, unknown>): string {
  const batches = Array.isArray(facts.batches) ? [facts.batches.length ? `batch ${facts.batches.join(", ")}` : "no new batch"] : [];
  const phrases = Object.entries(facts)
    .sort(([one], [other]) => SAID.indexOf(one) - SAID.indexOf(other))
    .filter(([name, value]) => name !== "duration_s" && typeof value === "number" && (value !== 0 || ["hard", "refused", "pictures"].includes(name)))
    .map(([name, value]) => (PHRASES[name] ?? ((n: number) => `${words(name)} ${name.endsWith("_bytes") ? size(n) : decimal(n)}`))(value as number));
  return [...batches, ...added(facts.added), ...phrases].join(", ") || "nothing to do";
}

type Facts = Record<string, unknown>;

const CHAMPION: Record<string, string> = { promote: "a new champion", refuse: "the champion stays", none: "nothing new to learn" };

/** What each study of a run says, in a few words. */
const STUDIES: Record<string, (facts: Facts) => string> = {
  duplicates: (f) => `${many(Number(f.groups ?? 0), "group")} of near duplicates`,
  clusters: (f) => many(Number(f.clusters ?? 0), "cluster"),
  map: (f) => `maps ${Object.keys(f).filter((name) => !name.startsWith("names of ")).join(" and ")}`,
  classifier: (f) => `classifier: ${CHAMPION[String(f.action)] ?? words(String(f.action))}`,
  drift: (f) => `drift: ${verdict(String(f.verdict))}`,
  index: () => "index of similar pictures",
  words: () => "words and names",
};

function studies(facts: Facts): string {
  return Object.entries(facts)
    .filter((one): one is [string, Facts] => typeof one[1] === "object" && one[1] !== null)
    .map(([name, found]) => (STUDIES[name] ?? (() => words(name)))(found))
    .join(", ");
}

const VERDICTS: Record<string, string> = { first: "nothing to compare with yet", none: "none", drift: "drift", new_source: "new source", too_few: "too few pictures to say" };

function verdict(name: string): string {
  return VERDICTS[name] ?? words(name);
}

function Trends({ doc }: { doc: HealthDoc }) {
  const labels = days(doc.trends.map((run) => run.at), (k) => `run ${doc.trends[k].number}`);
  const of = (value: (run: RunTrend) => number | null) => doc.trends.map((run, k) => ({ label: labels[k], value: value(run), bad: !run.is_good }));
  const charts: TrendProps[] = [
    { title: "Pictures extracted a second", spots: of((run) => run.pictures_per_s), show: (n) => decimal(n, 0) },
    { title: "Files refused", spots: of((run) => (run.seen ? (run.refused ?? 0) / run.seen : null)), show: share, note: "of those that a run saw" },
    { title: "Drift", spots: doc.drift.map((one) => ({ label: `batch ${one.batch ?? "?"}`, value: largestEffect(one), bad: one.verdict === "drift" })), show: (n) => decimal(n, 2), note: "largest effect of a batch; 0 is none" },
    { title: "Published", spots: [...of((run) => run.published_bytes), ...unrun(doc, doc.freshness.snapshot?.size_bytes)], show: size, note: "size of the snapshot" },
    { title: "Cost of storage", spots: [...of((run) => run.storage_month), ...unrun(doc, doc.cost?.storage_month)], show: money, note: "a month, for the snapshot" },
    { title: "Free on the drive", spots: of((run) => run.free_bytes), show: size },
  ];
  const drawn = charts.filter(hasCourse);
  if (!drawn.length) return null;
  return (
    <Card title="Over the runs" note="Only runs that made something are counted. A spot in red: the run failed, or the batch drifted." wide>
      <div class="trends">
        {drawn.map((one) => (
          <Trend {...one} />
        ))}
      </div>
    </Card>
  );
}

/** The newest snapshot, where another command than a run published it. */
function unrun(doc: HealthDoc, value: number | null | undefined): Spot[] {
  const id = doc.freshness.snapshot?.id;
  if (!id || value == null || doc.runs.some((run) => run.stages?.publish?.snapshot === id)) return [];
  return [{ label: `snapshot ${id}`, value }];
}

function largestEffect(report: Drift): number | null {
  const effects = (report.tests ?? []).map((one) => one.effect).filter((n): n is number => typeof n === "number");
  return effects.length ? Math.max(...effects) : null;
}

function added(by: unknown): string[] {
  if (!by || typeof by !== "object") return [];
  const sum = Object.values(by as Record<string, { accepted?: number }>).reduce((total, one) => total + (one?.accepted ?? 0), 0);
  return sum ? [`${many(sum, "picture")} added`] : [];
}

function History({ doc }: { doc: HealthDoc }) {
  if (doc.runs.length < 2) return null;
  const labels = days(doc.runs.map((run) => run.started_at), (k) => `run ${doc.runs[k].number}`);
  const stacks = doc.runs.map((run, k) => ({
    label: labels[k],
    parts: STAGES.map((stage) => seconds(run, stage)),
  }));
  const timed = doc.trends.filter((run) => run.pictures_per_s !== null).at(-1);
  return (
    <Card title="Time of each run" note={`${timed ? pace(timed, doc.runs.at(-1)) : ""} A run marked ! failed.`} wide>
      <Stacks label="Time of each run by stage" names={STAGES.map(words)} stacks={stacks} show={duration} broad bad={doc.runs.map((run) => run.outcome !== "done")} />
    </Card>
  );
}

/** How fast the newest run extracted that had pictures enough to say. */
function pace(run: RunTrend, last?: Run): string {
  const speed = `${decimal(run.pictures_per_s ?? 0, 0)} pictures a second`;
  if (run.number === last?.number) return `The last one extracted ${speed}.`;
  return `The last one with 100 new pictures or more, run ${run.number}${run.at ? ` of ${day(run.at)}` : ""}, extracted ${speed}.`;
}

function Growing({ doc, order }: { doc: HealthDoc; order: string[] }) {
  const [by, setBy] = useState<"category" | "source">("category");
  const seen = new Set(doc.growth.map((row) => row[by]));
  const categories = [...order.filter((name) => seen.has(name)), ...[...seen].filter((name) => !order.includes(name))];
  const batches = [...new Set(doc.growth.map((row) => row.batch))].sort((a, b) => a - b);
  if (!batches.length) return null;
  const held = categories.map(() => 0);
  const labels = days(batches.map((batch) => doc.growth.find((row) => row.batch === batch && row.at)?.at), (k) => `batch ${batches[k]}`);
  const stacks = batches.map((batch, at) => {
    const rows = doc.growth.filter((row) => row.batch === batch);
    categories.forEach((name, k) => {
      held[k] += rows.filter((r) => r[by] === name).reduce((sum, r) => sum + r.accepted, 0);
    });
    return { label: labels[at], parts: [...held] };
  });
  return (
    <Card title="Pictures over time" note="Accepted pictures after each batch.">
      <Select label="By" value={by} options={[{ value: "category", text: "category" }, { value: "source", text: "source" }]} onChange={(value) => setBy(value === "source" ? "source" : "category")} />
      <Stacks label={`Pictures by ${by} after each batch`} names={categories} colours={by === "category" ? categories.map((name) => categoryColour(name, order)) : undefined} stacks={stacks} show={count} />
    </Card>
  );
}

function Sources({ doc }: { doc: HealthDoc }) {
  const rows = doc.totals.map((row) => [
    <a href={link("pictures", { category: row.category, source: row.source })}>{row.source}</a>,
    row.category,
    count(row.seen),
    count(row.accepted),
    row.duplicates ? (
      <a href={link("pictures", { category: row.category, source: row.source, outcome: "duplicate" })}>{count(row.duplicates)}</a>
    ) : "0",
    count(row.conflicts),
    row.refused ? (
      <a href={link("pictures", { category: row.category, source: row.source, outcome: "refused" })}>{count(row.refused)}</a>
    ) : "0",
    size(row.size_bytes),
  ]);
  const sum = (key: "seen" | "accepted" | "duplicates" | "conflicts" | "refused") =>
    doc.totals.reduce((total, row) => total + row[key], 0);
  const whole = sum("accepted") + sum("duplicates") + sum("conflicts") + sum("refused") === sum("seen");
  return (
    <Card
      title="Sources"
      note={whole ? "accepted + duplicates + conflicts + refused = seen, for every source." : <Prose text="The counts do not add up: `naturalist verify`" />}
      wide
    >
      {rows.length ? (
        <Table caption="Files by source" head={["source", "category", "seen", "accepted", "duplicates", "conflicts", "refused", "size"]} rows={rows} numeric={[2, 3, 4, 5, 6, 7]} />
      ) : (
        <Empty what="No file has been seen yet." command="naturalist run" />
      )}
    </Card>
  );
}

function Failures({ doc }: { doc: HealthDoc }) {
  if (!doc.failures.length) {
    return (
      <Card title="Refused files">
        {doc.totals.length ? <p>No file was refused.</p> : <Empty what="No file has been seen yet." command="naturalist run" />}
      </Card>
    );
  }
  return (
    <Card title="Refused files" note="By reason, with examples. System files and other files that are not pictures do not count as failures.">
      <Bars
        label="Refused files by reason"
        bars={doc.failures.map((row) => ({
          label: words(row.reason ?? "no reason"),
          value: row.files,
          text: count(row.files),
          colour: row.is_failure ? "var(--bad)" : "var(--quiet)",
          href: link("pictures", { outcome: "refused", reason: row.reason ?? "" }),
        }))}
      />
      <details>
        <summary>Examples</summary>
        {doc.failures.map((row) => (
          <>
            <h3>
              {words(row.reason ?? "no reason")} <small>{row.meaning}</small>
            </h3>
            <ul class="paths">
              {row.examples.map((one) => (
                <li>
                  <code>{one.path_text}</code> <small>{one.source}{one.detail ? `: ${one.detail}` : ""}</small>
                </li>
              ))}
            </ul>
          </>
        ))}
      </details>
    </Card>
  );
}

function Verified({ doc }: { doc: HealthDoc }) {
  const report = doc.verification;
  if (!report) {
    return (
      <Card title="Verification">
        <Empty what="Nothing has been verified yet." command="naturalist run" />
      </Card>
    );
  }
  const found = report.checks.filter((check) => check.findings > 0);
  return (
    <Card title="Verification" note={`${report.at ? `${moment(report.at)}: ` : ""}${many(report.checks.length, "check")}`}>
      <p class={`verdict ${report.passed ? "good" : "bad"}`}>
        {report.passed ? "All checks passed." : `${many(report.hard, "error")}.`} {many(report.soft, "warning")}.
      </p>
      {found.length > 0 && (
        <Table caption="Checks with findings" head={["check", "kind", "findings", "what it asks"]} rows={found.map((c) => [words(c.check), c.severity, count(c.findings), c.asks])} numeric={[2]} />
      )}
      {report.verdicts.length > 0 && (
        <details>
          <summary>Findings</summary>
          <ul class="paths">
            {report.verdicts.map((v) => (
              <li>
                <code>{v.pic_id ?? v.file ?? "the collection"}</code> {words(v.check)}: <Prose text={v.detail} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </Card>
  );
}

function Drifts({ reports }: { reports: Drift[] }) {
  if (!reports.length) {
    return (
      <Card title="Drift">
        <Empty what="No batch has been compared with those before it." command="naturalist drift" />
      </Card>
    );
  }
  const newest = reports[reports.length - 1];
  return (
    <Card title="Drift">
      <Findings sentences={newest.words ?? []} />
      <Table
        caption="Drift by batch"
        head={["batch", "verdict", "pictures compared", "when"]}
        rows={[...reports].reverse().map((one) => [
          String(one.batch ?? "?"),
          <span class={`state ${one.verdict === "drift" ? "bad" : one.verdict === "none" ? "good" : ""}`}>{verdict(one.verdict ?? "unknown")}</span>,
          count(one.rows ?? 0),
          moment(one.at),
        ])}
        numeric={[2]}
      />
      {!!newest.pictures?.length && newest.verdict === "drift" && (
        <div class="tiles small">
          {newest.pictures.slice(0, 12).map((id) => (
            <PictureTile id={id} />
          ))}
        </div>
      )}
    </Card>
  );
}

/** The first sentence, and the others where a person asks for them. */
function Findings({ sentences }: { sentences: string[] }) {
  return (
    <>
      {sentences[0] && <p class="note">{sentence(sentences[0])}</p>}
      {sentences.length > 1 && (
        <details>
          <summary>{count(sentences.length - 1)} more findings</summary>
          <ul class="plain-list note">
            {sentences.slice(1).map((one) => (
              <li>{sentence(one)}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

const KINDS: Record<string, string> = {
  previews: "thumbnails",
  index: "index of similar pictures",
  models: "classifiers",
  duplicates: "near duplicates",
  outbox: "made for publishing",
  checks: "results of checks",
};

function Storage({ doc }: { doc: HealthDoc }) {
  const { kinds, free_bytes: free, total_bytes: total } = doc.storage;
  return (
    <Card title="Storage" note={free !== null && total ? `${size(free)} free of ${size(total)} on the drive (${share(free / total, 0)}).` : undefined}>
      <Bars label="Storage by kind of file" bars={[...kinds].sort((a, b) => b.size_bytes - a.size_bytes).map((one) => ({ label: KINDS[one.kind] ?? one.kind, value: one.size_bytes, text: size(one.size_bytes) }))} />
      {doc.cost && (
        <p class="note">
          Published: {size(doc.cost.size_bytes)}; about {money(doc.cost.storage_month)} a month, {money(doc.cost.one_download)} for one download over the internet.
        </p>
      )}
    </Card>
  );
}

function Published({ doc }: { doc: HealthDoc }) {
  const found = doc.consistency;
  if (!found) {
    if (doc.kind !== "workspace" || source.exported) return null;
    return (
      <Card title="Published collection">
        <Empty what="Nothing is published yet: `publish.url` in naturalist.toml says where to, and a run does it." />
      </Card>
    );
  }
  return (
    <Card wide title="Published collection" note={`Looked at ${moment(found.at)}: sizes and recorded checksums of every object.`}>
      {found.error ? (
        <p class="verdict bad">
          <Prose text={found.error} />
        </p>
      ) : (
        <p class={`verdict ${found.passed ? "good" : "bad"}`}>
          Snapshot {found.snapshot}: {many(found.files ?? 0, "object")}, {size(found.size_bytes ?? 0)},{" "}
          <Prose text={found.passed ? "all as published." : "not all as published: `naturalist publish --repair`"} />
        </p>
      )}
      {!!found.findings?.length && <Table caption="Objects that differ" head={["object", "fault", "what was found"]} rows={found.findings.map((one) => [one.name, one.fault, one.detail])} />}
      <p class="note">
        <code>naturalist verify URL</code> reads every byte back.
      </p>
    </Card>
  );
}
