// What the decisions would do, before they are applied to the ledger.

import { useEffect, useState } from "preact/hooks";
import { count, many, size } from "../format";
import { Prose, Table, Trouble } from "../ui";
import { Ended, LOOK_MS } from "./jobs";
import { ask, newRequest, type JobState, type Plan } from "./client";

const SHOWN = 20;

export function ApplyPanel(props: { onClose: () => void; onApplied: () => void }) {
  const [plan, setPlan] = useState<Plan | null>(null);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState("");
  const look = () => ask<Plan>("pending").then(setPlan, (e: Error) => setError(e.message));
  useEffect(() => void look(), []);
  const apply = () => {
    if (!plan) return;
    setBusy(true);
    setError("");
    ask<{ changed: number }>("apply", { request: newRequest(), upto: plan.upto })
      .then(
        (found) => {
          setDone(`Applied: ${many(found.changed, "picture")} changed. The next \`naturalist run\` writes the tables.`);
          props.onApplied();
          return look();
        },
        (e: Error) => {
          setError(e.message);
          return look();
        },
      )
      .finally(() => setBusy(false));
  };
  return (
    <section class="card apply" aria-label="Apply decisions">
      <header>
        <h2>What these decisions do</h2>
        <button class="plain" aria-label="Close" onClick={props.onClose}>
          ×
        </button>
      </header>
      {error && <Trouble text={error} />}
      {done && (
        <p class="verdict good" role="status">
          <Prose text={done} />
        </p>
      )}
      {!plan && !error && <p class="loading">Working it out …</p>}
      {plan && <Effects plan={plan} />}
      {plan && plan.decided > 0 && (
        <button class="primary" disabled={busy} onClick={apply}>
          {busy ? "Applying …" : `Apply ${many(plan.decided, "decision")}`}
        </button>
      )}
    </section>
  );
}

const SAYS = "accuracy on sources left out: ";

/** What the decisions do to accuracy, tried by a job on the server when somebody asks. */
function Accuracy({ upto }: { upto: number }) {
  const [job, setJob] = useState<JobState | null>(null);
  const [error, setError] = useState("");
  useEffect(() => setJob(null), [upto]);
  const running = job !== null && job.exit_code === null;
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => void ask<JobState>("job").then(setJob, (e: Error) => setError(e.message)), LOOK_MS);
    return () => clearInterval(timer);
  }, [running]);
  const start = () => {
    setError("");
    ask<JobState>("job", { kind: "accuracy" }).then(setJob, (e: Error) => setError(e.message));
  };
  const found = job?.lines?.find((line) => line.startsWith(SAYS))?.slice(SAYS.length);
  return (
    <li>
      Accuracy on sources left out:{" "}
      <span role="status">
        {found && !running ? <b>{found}</b> : running ? `being tried: ${job.lines?.at(-1) ?? "starting"}` : job ? <Ended job={job} /> : "unknown until it is tried."}
      </span>{" "}
      {!running && !found && <button onClick={start}>Try it on a sample</button>}
      {error && <strong class="state bad" role="alert">{error}</strong>}
    </li>
  );
}

function Effects({ plan }: { plan: Plan }) {
  if (!plan.decided && !plan.left_out.length) return <p class="note">Every decision is applied already.</p>;
  const who = Object.entries(plan.by)
    .map(([name, n]) => `${name} ${count(n)}`)
    .join(", ");
  const renamed = Object.keys(plan.new_ids).length;
  return (
    <>
      <p>
        {many(plan.decided, "decision")} ({who}). Nothing is changed before you apply them.
        {renamed > 0 && ` ${many(renamed, "picture")} ${renamed === 1 ? "gets" : "get"} a new id, because ${renamed === 1 ? "its category" : "their category"} changes.`}
      </p>
      {plan.effect.categories.length > 0 && (
        <Table
          caption="What becomes of each category"
          head={["category", "leave", "enter", "tables to rewrite", "their size"]}
          numeric={[1, 2, 3, 4]}
          rows={plan.effect.categories.map((one) => [one.name, count(one.leave), count(one.enter), count(one.tables.length), size(one.table_bytes)])}
        />
      )}
      <ul class="plain-list">
        <li>The next snapshot adds about {size(plan.effect.snapshot_bytes)}; earlier snapshots keep their tables.</li>
        {plan.effect.categories.map((one) => (
          <li>
            {one.name}: {count(one.leave)} of {count(one.accepted)} pictures leave. A run may withdraw {count(one.allowed)} by itself; decisions of people do not count against that budget.
            {one.leave > one.allowed && <strong class="state warn"> More than that budget: make sure it is meant.</strong>}
          </li>
        ))}
        <Accuracy upto={plan.upto} />
      </ul>
      {plan.left_out.length > 0 && (
        <>
          <h3>Left out</h3>
          <ul class="plain-list">
            {plan.left_out.slice(0, SHOWN).map((one) => (
              <li>
                <b>{one.key.slice(0, 40)}</b>: {one.why}
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}
